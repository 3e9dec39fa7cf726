import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { GateQuery } from './observed.ts';

/** What gates of a distribution are asked about its rollout as its status tells of it; about all of them when no name is given. */
export function gateQuestions({ metadata, spec, status }: ImageDistribution, names: readonly string[]): GateQuery[] {
  const gates = spec.activate.existingContainers?.gates ?? [];
  const counts = { following: 0, updated: 0, updating: 0, reverted: 0, unavailable: 0, ...status?.containers };
  const question = { distribution: metadata.name, image: spec.image, wave: status?.rollout?.wave ?? 0, counts };
  return gates.filter(({ name }) => names.length === 0 || names.includes(name)).map((gate) => ({ gate, question }));
}

import { additionalCapabilities, baselineCapabilities } from '../api/kubernetes/podfields.ts';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import { firstHit } from '../runtime/rules.ts';

/**
 * What a HostedContainer must not ask for: the operator would make the Pod with its own rights, in a namespace that has to allow
 * hostPath and so allows all else. Those who write specs are refused at `kubectl apply`; these rules are for what an earlier version has
 * stored, and for what the cluster decides.
 */

/** Capabilities besides those of Pod Security `baseline` that whoever runs the cluster allows. */
export type AllowedCapabilities = readonly string[];

type Rule = (container: HostedContainer, allowed: AllowedCapabilities) => string | undefined;

const capabilities: Rule = ({ spec }, allowed) => {
  const asked = spec.podTemplate?.securityContext?.addCapabilities ?? [];
  const wrong = asked.filter((it) => ![...baselineCapabilities, ...allowed].includes(it));
  if (wrong.length === 0) return undefined;
  const field = 'spec.podTemplate.securityContext.addCapabilities';
  const isOffered = wrong.every((it) => (additionalCapabilities as readonly string[]).includes(it));
  const how = isOffered ? `, or allow ${wrong.join(',')} in ADDITIONAL_CAPABILITIES of the operator` : '';
  return `${field} names ${wrong.join(', ')}, which this cluster does not allow: remove it${how}`;
};

/** They take confinement away that the profile of the runtime gives; a Pod has fields for it that a HostedContainer has not. */
const confinement = [
  'container.apparmor.security.beta.kubernetes.io/',
  'container.seccomp.security.alpha.kubernetes.io/',
  'seccomp.security.alpha.kubernetes.io/',
];
const annotations: Rule = ({ spec }) => {
  const found = Object.keys(spec.podTemplate?.metadata?.annotations ?? {}).find((key) =>
    confinement.some((prefix) => key.startsWith(prefix)),
  );
  return (
    found &&
    `spec.podTemplate.metadata.annotations has ${found}, which changes the confinement of the container: remove it`
  );
};

/** The kubelet asks from the network of the node, where metadata servers and its own ports are. */
const probeHosts: Rule = ({ spec }) => {
  const probes = {
    readinessProbe: spec.readinessProbe,
    livenessProbe: spec.livenessProbe,
    startupProbe: spec.startupProbe,
  };
  const found = Object.entries(probes).find(
    ([, probe]) => probe?.httpGet?.host !== undefined || probe?.tcpSocket?.host !== undefined,
  );
  return found && `spec.${found[0]} names a host: remove it; the container itself is asked`;
};

const rules: readonly Rule[] = [capabilities, annotations, probeHosts];

/** Why the container may not run as it is; undefined when it may. First hit wins. */
export function notPermitted(container: HostedContainer, allowed: AllowedCapabilities = []): string | undefined {
  return firstHit(rules, container, allowed);
}

/** Reads the setting, a list with commas. Throws when it names what no cluster may allow. */
export function readAdditionalCapabilities(setting = ''): string[] {
  const names = setting.split(',').map((it) => it.trim()).filter((it) => it !== ''); // prettier-ignore
  const offered: readonly string[] = additionalCapabilities;
  const wrong = names.find((it) => !offered.includes(it));
  if (wrong !== undefined)
    throw new Error(`ADDITIONAL_CAPABILITIES names ${wrong}; it may name ${offered.join(', ')}, with commas between`);
  return names;
}

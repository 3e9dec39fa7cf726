import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import type { View } from '../routes.ts';
import { fleetModel } from './fleet.ts';
import { historyModel } from './history.ts';
import { imagesModel } from './images.ts';
import { nodesModel } from './nodes.ts';
import { objectModel } from './object.ts';
import { rolloutModel, rolloutsModel } from './rollout.ts';

/** What a view shows of the fleet. */
export function modelOf(view: View, scene: Scene, now: Date): Model {
  switch (view.name) {
    case 'fleet':
      return fleetModel(scene, now);
    case 'rollouts':
      return rolloutsModel(scene, now);
    case 'rollout': {
      const ref = { kind: 'ImageDistribution', name: view.object } as const;
      return { ...rolloutModel(scene, view.object, now), ...objectModel(scene, ref, now) };
    }
    case 'images':
      return imagesModel(scene);
    case 'image': {
      const row = imagesModel(scene)[`i/${view.object}`];
      return {
        ...objectModel(scene, { kind: 'OSImage', name: view.object }, now),
        ...(row !== undefined && { image: row }),
      };
    }
    case 'nodes':
      return nodesModel(scene);
    case 'node': {
      const row = nodesModel(scene)[`n/${view.object}`];
      return {
        ...objectModel(scene, { kind: 'NodeStore', name: view.object }, now),
        ...(row !== undefined && { node: row }),
      };
    }
    case 'container':
      return objectModel(scene, { kind: 'HostedContainer', namespace: view.namespace, name: view.object }, now);
    case 'history':
      return historyModel(scene, view.os, now);
  }
}

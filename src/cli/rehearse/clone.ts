import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Client } from '../../kube/client.ts';
import { defineResource, persistentVolumeClaims } from '../../kube/resources.ts';
import type { Resource } from '../../kube/resources.ts';
import { claimNameOf } from '../../pod/claim.ts';
import { ApiError } from '../../runtime/errors.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { CommandError } from '../command.ts';

interface StorageClass extends KubeObject {
  provisioner: string;
}
const storage = { group: 'storage.k8s.io', version: 'v1', namespaced: false };
const storageClasses = defineResource<StorageClass>({ ...storage, plural: 'storageclasses', kind: 'StorageClass' });
const csiDrivers = defineResource<KubeObject>({ ...storage, plural: 'csidrivers', kind: 'CSIDriver' });

interface ClaimSpec {
  accessModes?: string[];
  resources?: object;
  storageClassName?: string;
  volumeMode?: string;
}

/**
 * The data of a rehearsal that begins with what the container has now: a claim of the same class whose source is the claim of the container. It
 * is deleted with the rehearsal. Throws an error for users where the storage cannot clone, as far as that can be known before it is tried.
 */
export async function cloneOf(client: Client, container: HostedContainer): Promise<object> {
  const { namespace = '', name: of } = container.metadata;
  const name = claimNameOf(container);
  if (name === undefined)
    throw new CommandError(`HostedContainer ${of} has no PersistentVolumeClaim, so there is nothing to clone: leave --clone-data out`); // prettier-ignore
  const claim = await client.get(persistentVolumeClaims, { name, namespace });
  if (!claim) throw new CommandError(`There is no PersistentVolumeClaim ${name} in namespace ${namespace}`);
  const { accessModes, resources, storageClassName = '', volumeMode } = (claim.spec ?? {}) as ClaimSpec;
  if (claim.status?.phase !== 'Bound')
    throw new CommandError(`PersistentVolumeClaim ${name} is ${claim.status?.phase ?? 'not bound'}: only a bound one can be cloned`); // prettier-ignore
  await expectCanClone(client, name, storageClassName);
  return {
    claimTemplate: {
      accessModes,
      resources,
      storageClassName,
      ...(volumeMode !== undefined && { volumeMode }),
      dataSource: { kind: 'PersistentVolumeClaim', name },
    },
    whenDeleted: 'Delete',
  };
}

/** Only CSI drivers clone, and no object says which of them do: the others are known. */
async function expectCanClone(client: Client, claim: string, className: string): Promise<void> {
  const why = (what: string) =>
    new CommandError(`The storage of PersistentVolumeClaim ${claim} cannot be cloned: ${what}. Leave --clone-data out to rehearse with an empty /data`); // prettier-ignore
  if (className === '') throw why('it has no StorageClass');
  const found = await seen(client, storageClasses, className);
  if (found === 'unseen') return;
  if (!found) throw why(`its StorageClass ${className} is gone`);
  const driver = await seen(client, csiDrivers, found.provisioner);
  if (!driver) throw why(`its StorageClass ${className} is of ${found.provisioner}, which is no CSI driver`);
}

/** Not everybody may read them; then the storage is asked. */
async function seen<T extends KubeObject>(client: Client, resource: Resource<T>, name: string) {
  try {
    return await client.get(resource, { name });
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return 'unseen' as const;
    throw error;
  }
}

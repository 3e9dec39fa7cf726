import { describe, expect, test } from 'vitest';
import type { KubeObject } from './object.ts';
import { Store } from './store.ts';

interface Thing extends KubeObject {
  colours: string[];
}
let revision = 0;
const thing = (name: string, ...colours: string[]): Thing => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { namespace: 'ns', name, uid: name, resourceVersion: String(++revision) },
  colours,
});
const createStore = () =>
  new Store<Thing>((error) => {
    throw error;
  });
const names = (things: Thing[]) => things.map(({ metadata }) => metadata.name).sort();

function recorded(store: Store<Thing>): string[] {
  const changes: string[] = [];
  store.subscribe((key, old, current) => {
    changes.push(`${key} ${old?.colours.join('+') ?? 'none'} -> ${current?.colours.join('+') ?? 'none'}`);
  });
  return changes;
}

describe('a store', () => {
  test('tells of the new, the changed and the gone, with old and current', () => {
    const store = createStore();
    const changes = recorded(store);
    store.set(thing('a', 'red'));
    store.set(thing('a', 'blue'));
    store.delete('ns/a');
    store.delete('ns/a');
    expect(changes).toEqual(['ns/a none -> red', 'ns/a red -> blue', 'ns/a blue -> none']);
    expect([store.size, store.get('ns/a')]).toEqual([0, undefined]);
  });

  test('tells a new subscriber of what is there, and an old one of nothing', () => {
    const store = createStore();
    store.set(thing('a', 'red'));
    expect(recorded(store)).toEqual(['ns/a none -> red']);
    const unsubscribe = store.subscribe(() => {
      if (store.size > 1) throw new Error('Told although it had left');
    });
    unsubscribe();
    store.set(thing('b'));
  });

  test('says nothing about an object in the revision that it has', () => {
    const store = createStore();
    const same = thing('a', 'red');
    store.set(same);
    const changes = recorded(store);
    store.set({ ...same });
    expect(changes).toHaveLength(1);
  });

  test('is made equal to a list with no word about what is equal already', () => {
    const store = createStore();
    const kept = thing('kept', 'red');
    for (const object of [kept, thing('changed', 'red'), thing('gone', 'red')]) store.set(object);
    const changes = recorded(store);
    changes.length = 0;
    store.replace([{ ...kept }, thing('changed', 'blue'), thing('new', 'red')]);
    expect(changes).toEqual(['ns/changed red -> blue', 'ns/new none -> red', 'ns/gone red -> none']);
    expect(names(store.list())).toEqual(['changed', 'kept', 'new']);
  });

  test('tells the others when one subscriber fails', () => {
    const errors: unknown[] = [];
    const store = new Store<Thing>((error) => errors.push(error));
    store.subscribe(() => {
      throw new Error('stumbled');
    });
    const changes = recorded(store);
    store.set(thing('a', 'red'));
    expect(changes).toEqual(['ns/a none -> red']);
    expect(errors).toMatchObject([{ message: 'stumbled' }]);
  });

  test('holds objects that no one can change', () => {
    const store = createStore();
    store.set(thing('a', 'red'));
    expect(() => store.get('ns/a')?.colours.push('blue')).toThrow(TypeError);
    expect(() => Object.assign(store.get('ns/a') ?? {}, { kind: 'Other' })).toThrow(TypeError);
  });
});

describe('an index', () => {
  test('follows every change, also of what was there before it', () => {
    const store = createStore();
    store.set(thing('a', 'red', 'blue'));
    store.addIndex('colour', ({ colours }) => colours);
    store.set(thing('b', 'red'));
    expect(names(store.byIndex('colour', 'red'))).toEqual(['a', 'b']);
    store.set(thing('a', 'green'));
    expect(names(store.byIndex('colour', 'red'))).toEqual(['b']);
    expect(names(store.byIndex('colour', 'green'))).toEqual(['a']);
    store.delete('ns/b');
    expect(store.byIndex('colour', 'red')).toEqual([]);
  });

  test('must exist when asked', () => {
    expect(() => createStore().byIndex('colour', 'red')).toThrow('no index colour');
  });

  test('is up to date when subscribers are called', () => {
    const store = createStore();
    store.addIndex('colour', ({ colours }) => colours);
    const seen: string[][] = [];
    store.subscribe(() => seen.push(names(store.byIndex('colour', 'red'))));
    store.set(thing('a', 'red'));
    store.delete('ns/a');
    expect(seen).toEqual([['a'], []]);
  });
});

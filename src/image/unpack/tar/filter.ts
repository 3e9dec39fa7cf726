import { FetchError } from '../../failure.ts';
import { aclKeys, storedRecords } from './attributes.ts';
import { modeOf, withOtherMode, withoutBody } from './header.ts';
import { Directories } from './directories.ts';
import type { DirectoryEntry } from './directories.ts';
import { Links, partsOf } from './links.ts';
import { valueOf, writeRecords } from './pax.ts';
import type { PaxRecord } from './pax.ts';
import { TarReader, hasBody } from './reader.ts';
import type { TarEntry, TarReaderOptions } from './reader.ts';
import { quoted } from './text.ts';

export interface FilterOptions {
  kind: TarReaderOptions['kind'];
  /** Where a link of the layers below leads. */
  below?: (path: string) => string | undefined;
  /** Whether a directory is there already. */
  isBelow?: (path: string) => boolean;
  /** Whether an entry is left out. */
  leaveOut?: (path: string) => boolean;
}

/** The first bytes that bsdtar sees are always these, so that no archive is taken for another format or compression. */
export const streamStart = writeRecords('g', [{ key: 'comment', value: Buffer.from('monoroot') }]);
/** The end mark. */
export const streamEnd = Buffer.alloc(1024);

/**
 * Makes of any tar stream one that bsdtar restores as it is meant: ACLs that are written as extended attributes become ACLs,
 * global records count, paths through links lead to where the links do, and what several headers say is said once. Entries to which none of this applies pass as they
 * are. Throws UnsupportedArchive for what would be lost otherwise.
 */
export function filterTar({ kind, below, isBelow, leaveOut = () => false }: FilterOptions): TarFilter {
  const links = new Links(kind, below);
  const directories = new Directories(isBelow);
  const reader = new TarReader({
    kind,
    entry(entry) {
      const place = placeOf(entry, links);
      if (leaveOut(place.path) || entry.type === 'V') return undefined;
      checkType(entry);
      // It says nothing but that the file has its name.
      if (entry.type === '1' && samePath(place.path, place.link)) return undefined;
      const records = restorableTimes(
        storedRecords({ ...entry, mode: entry.isDirectory ? undefined : modeOf(entry.header) }, kind),
      );
      directories.note(place.path, entry.isDirectory ? directoryOf(entry, place, records) : undefined);
      return rewritten(entry, place, records);
    },
  });
  return { reader, repeated: () => directories.repeated() };
}

export interface TarFilter {
  reader: TarReader;
  /** Other streams, to be restored after the first, one after the other: see `Directories`. */
  repeated: () => Buffer[];
}

const samePath = (one: string, other: string) => partsOf(one).join('/') === partsOf(other).join('/');

/** Where an entry and the target of a hard link are stored, with all links followed that are in their way. */
export function placeOf(entry: TarEntry, links: Links): { path: string; link: string; isMoved: boolean } {
  const path = links.follow(entry.path);
  const link = entry.type === '1' ? links.follow(entry.link) : undefined;
  const place = { path: path ?? entry.path, link: link ?? entry.link, isMoved: (path ?? link) !== undefined };
  // A second name of a link is a link, too.
  const target = entry.type === '1' ? links.target(partsOf(place.link).join('/')) : entry.link;
  links.put(place.path, entry.type === '2' || entry.type === '1' ? target : undefined);
  return place;
}

const kinds = /^[0-7SD]$/;

function checkType(entry: TarEntry): void {
  const { type, path, size, records } = entry;
  const way = 'pack it with GNU tar or bsdtar, in the format pax';
  if (!kinds.test(type)) {
    const what =
      type === 'M'
        ? 'goes on in another volume'
        : type === 'A'
          ? 'has an ACL of Solaris'
          : `has the type ${quoted(type)}`;
    throw new FetchError('UnsupportedArchive', `${quoted(path)} ${what}, which is not read; ${way}`);
  }
  // Old programs gave hard links the size of the file, others directories that of the directory: what follows is no content.
  const isTold = valueOf(records, 'size') !== undefined || (type === '1' && records.length > 0);
  if (hasBody(entry) || size === 0 || !isTold) return;
  const message = `${quoted(path)} is a link, a directory or a device with a content of ${size} bytes, which programs read in different ways`;
  throw new FetchError('UnsupportedArchive', `${message}; ${way}`);
}

type Place = ReturnType<typeof placeOf>;

function rewritten(entry: TarEntry, place: Place, records: readonly PaxRecord[]): readonly Buffer[] {
  const header = !hasBody(entry) && entry.size > 0 ? withoutBody(entry.header) : entry.header;
  if (records === entry.records && !place.isMoved && !entry.isGlobal && !entry.isDisputed)
    return header === entry.header ? entry.head : [...entry.head.slice(0, -1), header];
  const names = isRenamed(entry, place) ? named(entry, place.path, place.link, records) : records;
  return names.length === 0 ? [header] : [writeRecords('x', names), header];
}

/** A directory as it is restored again. */
function directoryOf(entry: TarEntry, place: Place, records: readonly PaxRecord[]): DirectoryEntry {
  const header = entry.size > 0 ? withoutBody(entry.header) : entry.header;
  const acl = (kind: keyof typeof aclKeys) => valueOf(records, aclKeys[kind])?.toString('latin1') ?? '';
  const again = (some: readonly PaxRecord[], own: Buffer) => {
    const all = isRenamed(entry, place) ? named(entry, place.path, place.link, some) : some;
    return all.length === 0 ? [own] : [writeRecords('x', all), own];
  };
  return {
    // One that says no more than the mode is none.
    acl: { access: /mask|(?:user|group|u|g):[^:]/.test(acl('access')), default: acl('default') !== '' },
    // A content of its own is no part of it any more.
    blocks: () => again(records.filter(({ key }) => key !== 'size'), header), // prettier-ignore
    otherMode: () => again([], withOtherMode(header)),
  };
}

const isRenamed = ({ isLong, isGlobal }: TarEntry, { isMoved }: Place) => isMoved || isLong || isGlobal;

/** With both names as records, in the place of all other headers that name it. */
function named(
  { type, isDirectory }: TarEntry,
  path: string,
  link: string,
  records: readonly PaxRecord[],
): PaxRecord[] {
  const value = Buffer.from(isDirectory && !path.endsWith('/') ? `${path}/` : path, 'latin1');
  const isSparse = records.some(({ key }) => key === 'GNU.sparse.name');
  const others = records.filter(({ key }) => key !== 'path' && key !== 'linkpath' && key !== 'GNU.sparse.name');
  return [
    ...others,
    { key: 'path', value },
    ...(isSparse ? [{ key: 'GNU.sparse.name', value }] : []),
    ...(type === '1' || type === '2' ? [{ key: 'linkpath', value: Buffer.from(link, 'latin1') }] : []),
  ];
}

/** bsdtar counts the parts of a second forward from the whole seconds, also before 1970: -7.5 is -7 and a half forward to it. */
function restorableTimes(records: readonly PaxRecord[]): readonly PaxRecord[] {
  const isOdd = ({ key, value }: PaxRecord) =>
    (key === 'mtime' || key === 'atime') && value[0] === 0x2d && beforeEpoch.test(value.toString('latin1'));
  if (!records.some(isOdd)) return records;
  return records.map((record) =>
    isOdd(record) ? { ...record, value: forward(record.value.toString('latin1')) } : record,
  );
}
const beforeEpoch = /^-([0-9]{1,15})\.([0-9]*[1-9][0-9]*)$/;

function forward(time: string): Buffer {
  const [, seconds = '', parts = ''] = beforeEpoch.exec(time) ?? [];
  const nanoseconds = 1_000_000_000 - Number(parts.slice(0, 9).padEnd(9, '0'));
  const carried = nanoseconds === 1_000_000_000;
  return Buffer.from(`-${Number(seconds) + (carried ? 0 : 1)}.${String(carried ? 0 : nanoseconds).padStart(9, '0')}`);
}

import { FetchError } from '../../failure.ts';
import { aclText, nameWithoutNumber, numberTooLarge, underMode } from './acl.ts';
import { valueOf } from './pax.ts';
import type { PaxRecord } from './pax.ts';
import { quoted } from './text.ts';

/** An extended attribute of an entry, or what stands for one. */
interface Attribute extends PaxRecord {
  /** As the kernel knows it; '' for a record that is none. */
  name: string;
  path: string;
}

interface Rule {
  matches: RegExp;
  /** What is stored in its place; undefined when nothing is, by decision. Throws UnsupportedArchive. */
  store: (attribute: Attribute) => PaxRecord[];
}

/** ACLs that Linux keeps as extended attributes: bsdtar restores those that are written as a text, and drops these. */
export const aclKeys = { access: 'SCHILY.acl.access', default: 'SCHILY.acl.default' };

/**
 * What becomes of the extended attributes of an archive, by their names; the first that matches counts. docs/api/osimage.md has
 * the same table.
 */
const rules: Rule[] = [
  { matches: /^(?:user\.|security\.capability$)/, store: ({ key, value }) => [{ key, value }] },
  { matches: /^system\.posix_acl_(?:access|default)$/, store: storeAcl },
  // Of the node's administrator and its security modules, or of another kernel: none of them means anything in a container here.
  { matches: /^(?:trusted|security)\./, store: () => [] },
  { matches: /^system\./, store: (attribute) => refuse(attribute, 'which cannot be restored here') },
  { matches: /^/, store: () => [] },
];

/**
 * The records of an entry with its attributes as they are stored; the same list when nothing changes. With a `mode`, no ACL that is an
 * attribute gives more than that. Throws UnsupportedArchive,
 * with the entry and a way out, where dropping one could give somebody more rights.
 */
export function storedRecords(
  { path, records, mode }: { path: string; records: readonly PaxRecord[]; mode: number | undefined },
  kind: 'archive' | 'layer',
): readonly PaxRecord[] {
  if (!records.some(({ key }) => mayMatter.test(key))) return records;
  const stored = records.flatMap((record) => storedRecord(path, record, kind));
  const made = new Set(stored.filter((record) => !records.includes(record)).map(({ key }) => key));
  const all = stored
    // Both forms of an ACL: the attribute has the numbers.
    .filter((record) => !(isAcl(record.key) && made.has(record.key) && records.includes(record)))
    // Of several the last counts; bsdtar would put them together.
    .filter(({ key }, index, list) => !isAcl(key) || !list.slice(index + 1).some((later) => later.key === key))
    // What is a text already comes from libarchive, which writes a mode without the mask.
    .map((record) =>
      record.key === aclKeys.access && mode !== undefined && !records.includes(record) ? limited(record, mode) : record,
    );
  for (const key of Object.values(aclKeys)) checkNames(path, valueOf(all, key)?.toString());
  const isSame = all.length === records.length && all.every((record, index) => record === records[index]);
  return isSame ? records : all;
}

function limited(record: PaxRecord, mode: number): PaxRecord {
  const text = record.value.toString('latin1');
  const under = underMode(text, mode);
  return under === text ? record : { ...record, value: Buffer.from(under, 'latin1') };
}

const isAcl = (key: string): boolean => key === aclKeys.access || key === aclKeys.default;

/** What one record becomes; itself when nothing changes. */
function storedRecord(path: string, record: PaxRecord, kind: 'archive' | 'layer'): PaxRecord[] {
  if (record.key === 'SCHILY.acl.ace') refuse({ ...record, name: 'NFSv4 ACL', path }, 'which Linux does not have');
  const attribute = decode(record);
  const rule = attribute && rules.find(({ matches }) => matches.test(attribute.name));
  if (!attribute || !rule) return [record];
  const instead = rule.store({ ...attribute, key: kind === 'archive' ? writtenKey(record.key) : record.key, path });
  if (instead[0]?.key === record.key) return [record];
  // Of another key than its own is an ACL as a text, or bsdtar's own kind of record, with its value in base 64.
  return instead.map(({ key, value }) =>
    isAcl(key) ? { key, value } : { key, value: Buffer.from(value.toString('base64')) },
  );
}

const mayMatter = /^(?:SCHILY\.(?:xattr\.|acl\.)|LIBARCHIVE\.xattr\.)/;

/** GNU tar and Go programs write attributes as they are, bsdtar also in base 64 and with a name that is quoted as in a URL. */
function decode({ key, value }: PaxRecord): Pick<Attribute, 'name' | 'value'> | undefined {
  if (key.startsWith('SCHILY.xattr.')) return { name: unquote(key.slice(13)), value };
  if (!key.startsWith('LIBARCHIVE.xattr.')) return undefined;
  return { name: unquote(key.slice(17)), value: Buffer.from(value.toString('latin1'), 'base64') };
}

/** GNU tar quotes `=` and `%` of names, which bsdtar takes for a part of the name in this kind of record, and not in its own. */
const writtenKey = (key: string): string =>
  /^SCHILY\.xattr\..*%(?:3D|25)/.test(key) ? `LIBARCHIVE.xattr.${key.slice(13)}` : key;

const unquote = (name: string): string =>
  name.replace(/%([0-9A-Fa-f]{2})/g, (_all, code: string) => String.fromCharCode(parseInt(code, 16)));

function storeAcl(attribute: Attribute): PaxRecord[] {
  const text = aclText(attribute.value);
  if (text === undefined) refuse(attribute, 'whose value is no ACL of Linux');
  // An empty one is none.
  if (text === '') return [];
  const key = attribute.name.endsWith('access') ? aclKeys.access : aclKeys.default;
  return [{ key, value: Buffer.from(text) }];
}

function checkNames(path: string, text: string | undefined): void {
  if (text === undefined) return;
  const id = numberTooLarge(text);
  if (id !== undefined) refuse({ name: 'an ACL', path }, `which names the user or group ${id}, above 2147483647`);
  const name = nameWithoutNumber(text);
  if (name === undefined) return;
  const message = `The ACL of ${quoted(path)} names ${quoted(name)} without its number, as GNU tar writes it with --acls alone`;
  throw new FetchError(
    'UnsupportedArchive',
    `${message}; build it with bsdtar --acls --format=pax, or give GNU tar --xattrs-include='*' too`,
  );
}

function refuse({ name, path }: Pick<Attribute, 'name' | 'path'>, why: string): never {
  const message = `${quoted(path)} has ${name}, ${why}; without it somebody could have more rights`;
  throw new FetchError('UnsupportedArchive', `${message}; remove it before the image is packed, or pack without it`);
}

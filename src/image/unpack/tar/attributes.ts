import { FetchError } from '../../failure.ts';
import { aclText, nameWithoutNumber } from './acl.ts';
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
const aclKeys = { access: 'SCHILY.acl.access', default: 'SCHILY.acl.default' };

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
 * The records of an entry with its attributes as they are stored; the same list when nothing changes. Throws UnsupportedArchive,
 * with the entry and a way out, where dropping one could give somebody more rights.
 */
export function storedRecords(path: string, records: readonly PaxRecord[]): readonly PaxRecord[] {
  if (!records.some(({ key }) => mayMatter.test(key))) return records;
  let isChanged = false;
  const stored: PaxRecord[] = [];
  const texts = new Map<string, PaxRecord>();
  for (const record of records) {
    if (record.key === 'SCHILY.acl.ace') refuse({ ...record, name: 'NFSv4 ACL', path }, 'which Linux does not have');
    const attribute = decode(record);
    const rule = attribute && rules.find(({ matches }) => matches.test(attribute.name));
    if (!attribute || !rule) {
      stored.push(record);
      continue;
    }
    const instead = rule.store({ ...attribute, key: record.key, path });
    const [only] = instead;
    if (only?.key === record.key) {
      stored.push(record);
      continue;
    }
    isChanged = true;
    for (const text of instead) texts.set(text.key, text);
  }
  // Both forms of an ACL: the attribute has the numbers.
  const all = [...stored.filter(({ key }) => !texts.has(key)), ...texts.values()];
  for (const key of Object.values(aclKeys)) checkNames(path, valueOf(all, key)?.toString());
  return isChanged ? all : records;
}

const mayMatter = /^(?:SCHILY\.(?:xattr\.|acl\.)|LIBARCHIVE\.xattr\.)/;

/** GNU tar and Go programs write attributes as they are, bsdtar also in base 64 and with a name that is quoted as in a URL. */
function decode({ key, value }: PaxRecord): Pick<Attribute, 'name' | 'value'> | undefined {
  if (key.startsWith('SCHILY.xattr.')) return { name: unquote(key.slice(13)), value };
  if (!key.startsWith('LIBARCHIVE.xattr.')) return undefined;
  return { name: unquote(key.slice(17)), value: Buffer.from(value.toString('latin1'), 'base64') };
}

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
  const name = text === undefined ? undefined : nameWithoutNumber(text);
  if (name === undefined) return;
  const message = `The ACL of ${quoted(path)} names ${quoted(name)} without its number, as GNU tar writes it with --acls alone`;
  throw new FetchError(
    'UnsupportedArchive',
    `${message}; build it with bsdtar --acls --format=pax, or give GNU tar --xattrs-include='*' too`,
  );
}

function refuse({ name, path }: Attribute, why: string): never {
  const message = `${quoted(path)} has ${name}, ${why}; without it somebody could have more rights`;
  throw new FetchError('UnsupportedArchive', `${message}; remove it before the image is packed, or pack without it`);
}

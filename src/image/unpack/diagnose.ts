import { FetchError } from '../failure.ts';

/** How one of the programs ended that unpack an archive. */
export interface Ending {
  command: string;
  /** null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Its first complaint that matters, which what follows comes from; '' when there is none. */
  complaint: string;
  /** Its last one, where it is another. */
  last?: string;
}

// Attributes that only the kernel of the machine where they were set understands, or that need the administrator of the node.
const harmless = [
  /: Cannot restore extended attributes: (?:(?:security\.(?:selinux|ima|evm)|trusted\.\S+) )*(?:security\.(?:selinux|ima|evm)|trusted\.\S+) ?(?:: [^:]*)?$/,
  /: Cannot restore extended attributes on this file system\.?(?:: [^:]*)?$/,
  // A name that is no UTF-8 is written byte by byte as it is.
  /^bsdtar: (?:Pathname|Linkname) can't be converted from UTF-8 to current locale\.$/,
  /^bsdtar: Removing leading '\/' from member names$/,
];
const summary = /^bsdtar: (?:Error exit delayed from previous errors\.?|Retrying\.\.\.|\(null\))$/;

/** Whether a line of bsdtar says that nothing is lost which a container could miss. */
export const isHarmless = (line: string) => harmless.some((it) => it.test(line));
/** Whether a line of bsdtar says nothing about what went wrong. */
export const isSummary = (line: string) => summary.test(line);

const unsafe = /Path contains '\.\.'|Path is absolute/;
const throughLink = /Cannot extract through symlink/;
// At the end, where the words of the kernel are: names of files before them are those of whoever made the archive.
const full = /: (?:No space left on device|Disk quota exceeded)$/;
/** How much of these a file may have is for the file system to say, which calls too many of them a lack of space. */
const attributes = /: (?:Cannot restore extended attributes: |Failed to set acl)/;
const namedAcl = /Failed to set acl.*Invalid argument/;
/** The last line of zstd, of xz, and what bsdtar and others say. */
const withoutMemory =
  /Use --long=\d+ or --memory=|memory is required\. The limit is|Memory usage limit reached|Out of memory|Can't allocate memory/i;
/** The jail, or Node, says so and ends with a code of its own; bsdtar may begin a line with any name. */
const cannotRun = ({ code, complaint }: Ending) =>
  (code === 126 || (code ?? 0) < 0) && /^(?:jail: |spawn )/.test(complaint);
const truncated = /unexpected end|premature end|Truncated|Unexpected EOF/i;

/** Why unpacking failed, told from the programs' ends, the first of the pipeline first; undefined when all went well. */
export function diagnose(endings: readonly Ending[]): FetchError | undefined {
  const failed = endings.filter(({ code, complaint }) => code !== 0 || complaint !== '');
  const complaints = failed.flatMap(({ complaint, last = complaint }) => [complaint, last]);
  // A program that dies takes the one before it along with SIGPIPE, so what was said counts for more than how it ended.
  const find = (pattern: RegExp) => complaints.find((it) => pattern.test(it));
  const unable = failed.find(cannotRun);
  if (unable) {
    const message = `A program that unpacks archives cannot be run: ${unable.complaint}`;
    return new FetchError(
      'StoreFailed',
      `${message}; look at the image of the agent, its rights and the kernel of the node`,
    );
  }
  const memoryLine = find(withoutMemory);
  if (memoryLine !== undefined) {
    const message = `Unpacking the archive takes more memory than it may: ${memoryLine}`;
    return new FetchError(
      'TooLarge',
      `${message}; compress it with at most zstd --long=27 or xz -9, and see docs/limits.md`,
    );
  }
  const unsafeLine = find(unsafe);
  if (unsafeLine !== undefined) {
    return new FetchError(
      'UnsafeArchive',
      `The archive tries to write outside of its root: ${unsafeLine}; do not trust its source`,
    );
  }
  const linkLine = find(throughLink);
  if (linkLine !== undefined) {
    const message = `The archive has a path that leads through a link, which is not followed: ${linkLine}`;
    return new FetchError(
      'UnsafeArchive',
      `${message}; give the file its real path, for example usr/lib/x where lib is a link to usr/lib, or unpack all of it with GNU tar and pack the tree`,
    );
  }
  const fullLine = complaints.find((it) => full.test(it) && !attributes.test(it));
  if (fullLine !== undefined) return new FetchError('NoSpace', `${fullLine}; free space on the node`);
  // Numbers are not looked up: in the chroot that would be done by libraries of the archive.
  const aclLine = find(namedAcl);
  if (aclLine !== undefined) {
    const message = `An ACL of the archive names users or groups without their numbers, as GNU tar writes them: ${aclLine}`;
    return new FetchError('UnsupportedArchive', `${message}; build it with bsdtar --acls --format=pax`);
  }
  const attributeLine = find(attributes);
  if (attributeLine !== undefined) {
    const message = `The file system of the store does not take an attribute or an ACL of the archive: ${attributeLine}`;
    return new FetchError(
      'UnsupportedArchive',
      `${message}; see that it is valid, and that those of one file fit (4 KiB for ext4), and leave it out otherwise`,
    );
  }
  // What broke first is what the decompressor says; after it the archive looks truncated to bsdtar in any case.
  const worst = failed.find(({ complaint }) => complaint !== '' && !/Broken pipe/.test(complaint)) ?? failed[0];
  if (!worst) return undefined;
  if (truncated.test(worst.complaint)) {
    const message = `The archive ends too early although its digest is right: ${worst.complaint}; build and upload it again`;
    return new FetchError('TruncatedArchive', message);
  }
  const end = worst.signal ?? `exit code ${worst.code ?? 'unknown'}`;
  const message = `The archive cannot be unpacked: ${worst.complaint || `${worst.command} ended with ${end}`}`;
  return new FetchError('CorruptArchive', `${message}; build and upload it again`);
}

import { FetchError } from '../../failure.ts';
import { printable, quoted } from './text.ts';
import { blockBytes, hasMagic, isHeader, isZero, paddingOf, readHeader } from './header.ts';
import type { Header } from './header.ts';
import { merge, mostNameBytes, mostRecordBytes, mostRecords, readRecords, valueOf } from './pax.ts';
import type { PaxRecord } from './pax.ts';

/** One entry of an archive, with all that its headers say. Names are latin1 strings: one character a byte. */
export interface TarEntry {
  type: string;
  path: string;
  link: string;
  /** Bytes that the archive has of it: of a file with holes fewer than it is long. */
  size: number;
  isDirectory: boolean;
  /** Of its pax header and of the global ones; the last one of a key counts. */
  records: readonly PaxRecord[];
  /** Whether headers before its own give it another name, or records that hold for all entries something else. */
  isLong: boolean;
  isGlobal: boolean;
  /** Several headers come before its own: programs differ in which of them they believe. */
  isDisputed: boolean;
  /** Its own header. */
  header: Buffer;
  /** All blocks up to its body, as they came. */
  head: readonly Buffer[];
}

export interface TarReaderOptions {
  /** Called for each entry: what comes in the place of its head; undefined leaves the whole entry out. It may throw. */
  entry: (entry: TarEntry) => readonly Buffer[] | undefined;
  /** Records of global headers count in archives, as POSIX has it; container runtimes ignore them in layers. */
  kind: 'archive' | 'layer';
}

type Meta = { kind: 'x' | 'g' | 'L' | 'K'; size: number; left: number; pieces: Buffer[] };

/**
 * Reads a tar stream of any format piece by piece, without holding bodies, and gives it on as `entry` says. What follows the end mark
 * of an archive is read as another one. The end mark itself is left out. Throws a FetchError where it is no tar archive; where it
 * ends too early, what is there is given on.
 */
export class TarReader {
  readonly #options: TarReaderOptions;
  /** The part of a block that has come. */
  #partial: Buffer = Buffer.alloc(0);
  /** Bytes of a body to come, with its padding, and whether they are given on. */
  #body = 0;
  #kept = true;
  #extended = false;
  #pendingBody = 0;
  #meta: Meta | undefined;
  #head: Buffer[] = [];
  /** Headers before the entry that comes, without global ones. */
  #headers = 0;
  /** Bytes of the headers before the entry that comes. */
  #headBytes = 0;
  #records: PaxRecord[] = [];
  #globals: PaxRecord[] = [];
  #longPath: string | undefined;
  #longLink: string | undefined;
  #zeros = 0;
  #last: string | undefined;
  #offset = 0;
  #out: Buffer[] = [];

  constructor(options: TarReaderOptions) {
    this.#options = options;
  }

  /** Whether all has come of what was begun: the end mark can follow. */
  get isWhole(): boolean {
    return this.#body === 0 && !this.#extended && this.#head.length === 0 && isZero(this.#partial);
  }

  /** Takes the next bytes; gives those to pass on. */
  push(chunk: Buffer): Buffer[] {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body > 0) at += this.#takeBody(chunk, at);
      else {
        const wanted = Math.min(blockBytes - this.#partial.length, chunk.length - at);
        const piece = chunk.subarray(at, at + wanted);
        at += wanted;
        const block = this.#partial.length === 0 ? piece : Buffer.concat([this.#partial, piece]);
        this.#partial = block.length < blockBytes ? Buffer.from(block) : Buffer.alloc(0);
        if (block.length === blockBytes) this.#takeBlock(block);
      }
    }
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Says that there are no more bytes; gives what is left: the beginning of what is not there. Throws a FetchError. */
  end(): Buffer[] {
    if (this.#offset === 0) throw notTar(this.#partial);
    if (this.#zeros > 0) {
      // The zeros after an end mark need not be whole blocks.
      if (isZero(this.#partial)) return [];
      throw this.#trailing(this.#offset);
    }
    return [...this.#head, this.#partial].filter(({ length }) => length > 0);
  }

  #takeBody(chunk: Buffer, at: number): number {
    const length = Math.min(this.#body, chunk.length - at);
    const piece = chunk.subarray(at, at + length);
    this.#body -= length;
    this.#offset += length;
    if (!this.#meta) {
      if (this.#kept) this.#give(piece);
      return length;
    }
    // A copy: the chunk's own memory is used again or large.
    this.#meta.pieces.push(Buffer.from(piece));
    if (this.#body === 0) this.#takeMeta(this.#meta);
    return length;
  }

  #takeBlock(block: Buffer): void {
    const at = this.#offset;
    this.#offset += blockBytes;
    if (this.#extended) {
      if (this.#kept) this.#give(block);
      this.#extended = block[504] !== 0;
      if (!this.#extended) this.#body = this.#pendingBody;
      return;
    }
    if (isZero(block)) {
      this.#zeros += 1;
      if (this.#zeros === 2) this.#globals = [];
      return;
    }
    if (!isHeader(block)) {
      if (this.#zeros > 0) throw this.#trailing(at);
      if (at === 0 && !hasMagic(block)) throw notTar(block);
      throw this.#corrupt(`its header at byte ${at} is damaged`);
    }
    this.#zeros = 0;
    const header = readHeader(block);
    const kind = metaKinds[header.type];
    if (kind) this.#beginMeta(kind, header, block);
    else this.#takeEntry(header, block);
  }

  #beginMeta(kind: Meta['kind'], { size, broken }: Header, block: Buffer): void {
    const most = kind === 'x' || kind === 'g' ? mostRecordBytes : mostNameBytes;
    if (broken !== undefined) throw this.#corrupt(`the ${broken} of a header is no number`);
    if (size === undefined) throw this.#corrupt('a header has no size');
    this.#headBytes += size;
    if (size > most || this.#headBytes > mostHeadBytes) {
      const bytes = Math.max(size, this.#headBytes);
      const message = `The archive has a header of ${bytes} bytes ${this.#after()}, and at most ${most} are read`;
      throw new FetchError('UnsupportedArchive', `${message}; pack it with fewer extended attributes`);
    }
    this.#meta = { kind, size, left: size, pieces: [] };
    if (kind !== 'g') {
      this.#head.push(Buffer.from(block));
      this.#headers += 1;
      if (this.#headers > mostHeaders) throw this.#corrupt(`more than ${mostHeaders} headers come before one entry`);
    }
    this.#body = size + paddingOf(size);
    if (this.#body === 0) this.#takeMeta(this.#meta);
  }

  #takeMeta({ kind, size, pieces }: Meta): void {
    this.#meta = undefined;
    const blocks = Buffer.concat(pieces);
    const body = blocks.subarray(0, size);
    if (kind !== 'g') this.#head.push(blocks);
    if (kind === 'L' || kind === 'K') {
      const end = body.indexOf(0);
      const name = body.toString('latin1', 0, end === -1 ? size : end);
      if (kind === 'L') this.#longPath = name;
      else this.#longLink = name;
      return;
    }
    const records = readRecords(body);
    if (!records || this.#records.length + records.length > mostRecords)
      throw this.#corrupt(`it has pax records that cannot be read, or more than ${mostRecords}`);
    // Of several the last one counts, alone: so GNU tar and bsdtar read it.
    if (kind === 'x') this.#records = records;
    else if (this.#options.kind === 'archive') {
      const kept = records.filter(({ key }) => key !== 'comment');
      this.#globals = merge(this.#globals, kept).filter(({ value }) => value.length > 0);
      const bytes = this.#globals.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      if (bytes > mostRecordBytes) throw this.#corrupt(`its global records take ${bytes} bytes`);
    }
  }

  /** The entry of a header and of what came before it. */
  #entryOf(header: Header, block: Buffer): TarEntry {
    const records = this.#globals.length > 0 ? merge(this.#globals, this.#records) : this.#records;
    const named = (key: string) => valueOf(records, key)?.toString('latin1') || undefined;
    const path = named('GNU.sparse.name') ?? named('path') ?? this.#longPath ?? header.path;
    const link = named('linkpath') ?? this.#longLink ?? header.link;
    const told = named('size');
    const size = told === undefined ? header.size : readDigits(told);
    if (header.broken !== undefined) throw this.#corrupt(`its ${header.broken} is no number`, path);
    if (size === undefined) throw this.#corrupt('its size cannot be read', path);
    if (link === '' && ['1', '2'].includes(header.type)) throw this.#corrupt('it is a link to nothing', path);
    if (`${path}${link}`.includes('\0')) throw this.#corrupt('a name has a zero byte', path);
    return {
      type: header.type,
      path,
      link,
      size,
      isDirectory: isDirectory(header.type, path),
      records,
      isLong: this.#longPath !== undefined || this.#longLink !== undefined,
      isGlobal: this.#globals.length > 0,
      isDisputed: this.#headers > 1,
      header: block,
      head: [...this.#head, block],
    };
  }

  #takeEntry(header: Header, block: Buffer): void {
    const entry = this.#entryOf(header, block);
    this.#last = entry.path;
    const pieces = this.#options.entry(entry);
    this.#head = [];
    this.#headBytes = this.#headers = 0;
    this.#records = [];
    this.#longPath = this.#longLink = undefined;
    this.#kept = pieces !== undefined;
    for (const piece of pieces ?? []) this.#give(piece);
    const body = bodyOf(entry);
    this.#extended = header.isExtended;
    this.#pendingBody = body;
    if (!this.#extended) this.#body = body;
  }

  /** Pieces that lie one after the other become one. */
  #give(piece: Buffer): void {
    const last = this.#out.at(-1);
    if (last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset)
      this.#out[this.#out.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + piece.length);
    else this.#out.push(piece);
  }

  #after = (): string => (this.#last === undefined ? 'at its beginning' : `after ${quoted(this.#last)}`);

  #trailing(at: number): FetchError {
    const message = `The archive goes on after its end mark with something that is no tar archive, at byte ${at}`;
    return new FetchError('CorruptArchive', `${message}; cut it off, or pack all of it as one archive`);
  }

  #corrupt(what: string, path?: string): FetchError {
    const where = path === undefined ? this.#after() : `of ${quoted(path)}`;
    const message = `The archive cannot be unpacked ${where}: ${what}; build and upload it again`;
    return new FetchError('CorruptArchive', message);
  }
}

/** Of all headers before an entry. An entry has one with records, and two with names. */
const mostHeadBytes = mostRecordBytes + 2 * mostNameBytes;

/** Before one entry. Programs write three at most: records, a long name and a long link; one without a body takes memory, too. */
const mostHeaders = 16;

const readDigits = (text: string): number | undefined => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined);

/** Old archives have directories as files whose names end with a slash. */
const isDirectory = (type: string, path: string): boolean =>
  ['5', 'D'].includes(type) || (['0', '7'].includes(type) && path.endsWith('/'));

const metaKinds: Partial<Record<string, Meta['kind']>> = { x: 'x', X: 'x', g: 'g', L: 'L', K: 'K' };

/** Links, devices and directories have none, whatever their header says. */
export const hasBody = ({ type }: Pick<TarEntry, 'type'>): boolean => !['1', '2', '3', '4', '5', '6'].includes(type);

const bodyOf = (entry: TarEntry): number => (hasBody(entry) ? entry.size + paddingOf(entry.size) : 0);

/** What is compressed is no tar stream. */
function notTar(header: Uint8Array): FetchError {
  const start = header.length === 0 ? 'nothing' : JSON.stringify(printable(Buffer.from(header.subarray(0, 16))));
  const message = `The archive is compressed, but what comes out is no tar stream: it starts with ${start}`;
  return new FetchError('UnsupportedArchive', `${message}; compress a tar file once, with zstd, gzip or xz`);
}

import type { LiteralDefaults } from '../api/osimage.ts';
import type { TransferOptions } from './transfer.ts';

/** What is known of an image when it is unpacked, besides its tree. */
export interface Obtained {
  /** Bytes downloaded. */
  archiveBytes: number;
  /** What the source says that containers run, unless a bundle says otherwise. */
  defaults?: LiteralDefaults;
}

export interface ObtainOptions extends Omit<TransferOptions, 'digest' | 'unpack'> {
  /** Told of every piece that was downloaded; a negative number takes back what has to be downloaded again. */
  onBytes: (bytes: number) => void;
}

/** Where an image comes from, asked already. */
export interface Source {
  /** Of all that has to be downloaded, where the server tells. */
  totalBytes: number | undefined;
  /** Downloads and verifies all of it and puts the tree into `directory`, which exists and is empty. Throws a FetchError. */
  obtain(options: ObtainOptions): Promise<Obtained>;
  /** Whether `totalBytes` is of bytes with the right digest, and not only what a server says. */
  sizeIsVerified: boolean;
  /** Downloads all of it and keeps nothing; `onBytes` is called for each piece. Throws a FetchError unless the digests are right. */
  verify(signal: AbortSignal, onBytes: () => void): Promise<void>;
  /** To be called in any case. */
  close(): Promise<void>;
}

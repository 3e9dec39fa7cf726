/** A body has more bytes than its reader takes. */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes';
}

/** All bytes of a body of somebody else. Throws TooManyBytes, and stops reading, as soon as more than `most` have come. */
export async function readAll(body: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > most) throw new TooManyBytes(`has more than ${most} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

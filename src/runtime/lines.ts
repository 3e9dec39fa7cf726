/** The lines of a text that comes in pieces: each whole, however long, or as much of it as `most` characters. */
export async function* linesOf(text: AsyncIterable<string>, most = Infinity): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of text) {
    const lines = (rest + piece).split('\n');
    rest = (lines.pop() ?? '').slice(0, most);
    for (const line of lines) yield line.slice(0, most);
  }
  if (rest !== '') yield rest;
}

/** Splits a stream of bytes into its lines. Reads on only when the consumer has taken the lines of the last chunk. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  // A big object comes in many chunks: they are joined once, at its end.
  let parts: string[] = [];
  for await (const chunk of chunks) {
    const pieces = decoder.decode(chunk, { stream: true }).split('\n');
    for (let i = 0; i < pieces.length - 1; i++) {
      const line = parts.join('') + (pieces[i] ?? '');
      parts = [];
      if (line !== '') yield line;
    }
    const rest = pieces.at(-1);
    if (rest) parts.push(rest);
  }
}

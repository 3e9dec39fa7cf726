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

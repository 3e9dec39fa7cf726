/** Takes the text of a stream of server-sent events piece by piece; gives the data of each event that is whole. */
export function createParser(): (piece: string) => string[] {
  let pieces: string[] = [];
  return (piece) => {
    pieces.push(piece);
    // A piece that ends nothing is only kept: an event of megabytes comes in many. Its end may be cut in two.
    if (!(pieces.at(-2)?.slice(-1) ?? '').concat(piece).includes('\n\n')) return [];
    const events = pieces.join('').split('\n\n');
    pieces = [events.pop() ?? ''];
    return events.flatMap((event) => (event.startsWith('data: ') ? [event.slice('data: '.length)] : []));
  };
}

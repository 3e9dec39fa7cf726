const ellipsis = '…';

/** A text of somebody else in which each character that no terminal should obey, or that is not seen, is a question mark. */
export const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');

/** Half of a character above U+FFFF without its other half: no text at all to a decoder of UTF-8. */
const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;
const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

/**
 * The start of a text, cut between characters and marked with an ellipsis when there is more. At most `maxLength` UTF-16 code
 * units, and so no more than `maxLength` characters, which is what `maxLength` in a schema of the API server counts.
 */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const end = maxLength - ellipsis.length;
  if (end < 0) return '';
  return text.slice(0, isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end) + ellipsis;
}

/** As {@link truncate}, but of the end: what a program says last tells why it ended. */
export function truncateStart(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const start = text.length - maxLength + ellipsis.length;
  if (start > text.length) return '';
  return ellipsis + text.slice(isLowSurrogate(text.charCodeAt(start)) ? start + 1 : start);
}

/** As {@link truncate}, but of the middle: what happened is said first, and what to do last. */
export function truncateMiddle(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const end = Math.floor(maxLength / 4);
  return truncate(text, maxLength - end) + truncateStart(text, end + ellipsis.length).slice(ellipsis.length);
}

/** As {@link truncate}, for at most so many bytes of UTF-8. */
export function truncateBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text).subarray(0, Math.max(0, maxBytes - Buffer.byteLength(ellipsis)));
  // A character that was cut in two is left out: a streaming decoder keeps it back.
  return new TextDecoder().decode(bytes, { stream: true }) + ellipsis;
}

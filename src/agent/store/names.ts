/**
 * Names of files need not be UTF-8, so they are kept as latin1 strings: one character a byte. In lists they are written as
 * mtree(5) has them, in which no name holds a blank, a tab or the end of a line: lists of names can be sorted as lines.
 */

const plain = /^[!"$-<>-[\]-~]*$/;

/** Bytes that are not plain become a backslash and three octal digits. */
export const escaped = (name: string): string =>
  plain.test(name)
    ? name
    : name.replace(/[^!"$-<>-[\]-~]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** Undoes {@link escaped}. */
export const unescaped = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    : text;

/** The path of a name below a directory, for calls of the kernel. */
export const pathBelow = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);

/** One file of an archive. */
export interface TarFile {
  name: string;
  text: string;
}

const block = 512;

/** An archive in the ustar format. Names are at most 100 bytes of ASCII. */
export function tarOf(files: readonly TarFile[], time: Date): Buffer {
  const parts = files.flatMap(({ name, text }) => {
    const content = Buffer.from(text);
    return [header(name, content.length, time), content, Buffer.alloc((block - (content.length % block)) % block)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function header(name: string, size: number, time: Date): Buffer {
  if (name.length > 100) throw new Error(`The name ${name} is too long for the archive`);
  const head = Buffer.alloc(block);
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, '0');
  head.write(name, 0);
  head.write(octal(0o600, 8), 100);
  head.write(octal(0, 8), 108);
  head.write(octal(0, 8), 116);
  head.write(octal(size, 12), 124);
  head.write(octal(Math.floor(time.getTime() / 1000), 12), 136);
  head.write(' '.repeat(8), 148);
  head.write('0', 156);
  head.write('ustar\0' + '00', 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${octal(sum, 7)}\0 `, 148);
  return head;
}

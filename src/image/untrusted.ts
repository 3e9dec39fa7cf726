import { z } from 'zod';

/** The limits of what strangers send, and of what becomes of it. docs/limits.md has all of them, with the reasons. */

const mebibyte = 1024 * 1024;

/** A manifest or an index of a registry. No registry takes a bigger one. */
export const manifestLimits = { bytes: 4 * mebibyte, values: 20_000 };
/** The configuration of an OCI image, most of which is the history of its layers. */
export const configurationLimits = { bytes: 4 * mebibyte, values: 20_000 };
export const bundleLimits = { bytes: mebibyte, values: 10_000 };
/** What a server for tokens answers: a token has a few KiB, those of some clouds more. */
export const tokenLimits = { bytes: mebibyte, values: 1_000 };
/** One signature of an image, or another statement about it. */
export const signatureLimits = { bytes: mebibyte, values: 10_000 };
/** What is looked at of all that is attached to an image. */
export const mostSignatures = 64;
/** As containerd, and the kernel for overlays. */
export const mostLayers = 256;

/**
 * What a status says about one image: its defaults and its layout. All images of a node share one object of the API server, which
 * takes some 1.5 MB.
 */
export const mostDescriptionBytes = 32 * 1024;

/** What is first wrong with a value, in one line, however much else is. */
export function explain({ issues: [first, ...others] }: z.ZodError): string {
  if (!first) return 'it is not valid';
  const at = first.path.length > 0 ? ` at ${first.path.map(String).join('.').slice(0, 200)}` : '';
  return `${first.message.slice(0, 300)}${at}${others.length > 0 ? `, and ${others.length} more` : ''}`;
}

/** A file of YAML, whose aliases may make much of little. */
export const mostYamlValues = 20_000;

/** Throws when a value has more values in it, at any depth, each counted as often as it is there. */
export function checkValues(value: unknown, most: number): void {
  const pending: unknown[] = [value];
  for (let count = 1; pending.length > 0; count++) {
    const next = pending.pop();
    if (typeof next === 'object' && next !== null) for (const member of Object.values(next)) pending.push(member);
    if (count + pending.length > most) throw new Error(`it has more than ${most} values`);
  }
}

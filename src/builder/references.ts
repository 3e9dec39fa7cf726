/** The repository of a reference with a tag. */
export const repositoryOf = (reference: string): string => reference.replace(/:[^/:]*$/, '');

export const tagOf = (reference: string): string => reference.slice(repositoryOf(reference).length + 1);

/**
 * Where the list of packages of an image is. It refers to the image, which a registry tells to who asks; the tag keeps it from being
 * collected as garbage, and is the one that cosign looks for.
 */
export const packageListReference = (reference: string, digest: string): string =>
  `${repositoryOf(reference)}:${digest.replace(':', '-')}.sbom`;

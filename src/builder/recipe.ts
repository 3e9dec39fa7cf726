import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { recipe as recipeSchema } from '../api/buildrun.ts';
import type { Recipe } from '../api/buildrun.ts';
import { BuildError } from './failure.ts';

/** Reads the recipe of a Job. */
export async function readRecipe(file: string): Promise<Recipe> {
  return parseRecipe(JSON.parse(await readFile(file, 'utf8')));
}

/** The recipe with its defaults. Throws InvalidRecipe, which names field and rule. */
export function parseRecipe(json: unknown): Recipe {
  const parsed = recipeSchema.safeParse(json);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const { debootstrap, oci, http } = parsed.data.build.from;
  const bases = [debootstrap, oci, http].filter((it) => it !== undefined).length;
  // The API server says so, too; but who builds locally has none.
  if (bases !== 1) throw invalid('from: exactly one base must be set: debootstrap, oci or http');
  const wrong = parsed.data.build.files?.find(({ path }) => path.split('/').some((it) => it === '.' || it === '..'));
  if (wrong) throw invalid(`files: ${wrong.path} must not have . or .. in it`);
  return parsed.data;
}

const invalid = (why: string) =>
  new BuildError('InvalidRecipe', `The recipe is not valid: ${why}; correct source.build`);

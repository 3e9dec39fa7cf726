import { readFile } from 'node:fs/promises';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import type { Recipe } from '../../api/buildrun.ts';
import { parseRecipe } from '../../builder/recipe.ts';
import { CommandError } from '../command.ts';

const manifest = z.looseObject({
  kind: z.literal('OSImage'),
  spec: z.looseObject({
    os: z.unknown().optional(),
    version: z.unknown().optional(),
    architecture: z.unknown().optional(),
    source: z.looseObject({ build: z.unknown().optional() }),
    mountScript: z.unknown().optional(),
    defaults: z.unknown().optional(),
  }),
});
const bare = z.looseObject({ os: z.string(), version: z.unknown().optional(), build: z.looseObject({}) });

/** What stands for a repository that nothing is pushed to. */
const nowhere = 'localhost/nowhere';

export interface RecipeOptions {
  push: boolean;
  plainHTTP: boolean | undefined;
}

/** The one recipe of a file: an OSImage with source.build among its documents, or a recipe by itself. */
export async function readRecipeFile(file: string, options: RecipeOptions): Promise<Recipe> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  const found = parseDocuments(file, text).flatMap(recipesIn);
  const [only, another] = found;
  if (only === undefined) {
    throw new CommandError(`${file} has neither an OSImage with source.build nor a recipe with os, version and build`);
  }
  if (another !== undefined)
    throw new CommandError(`${file} has ${found.length} recipes; put each into a file of its own`);
  try {
    return parseRecipe(complete(only, options));
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function parseDocuments(file: string, text: string): unknown[] {
  try {
    return loadAll(text);
  } catch (error) {
    throw new CommandError(`${file} is no YAML: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

interface Given {
  build: Record<string, unknown>;
  [key: string]: unknown;
}

function recipesIn(document: unknown): Given[] {
  const image = manifest.safeParse(document).data?.spec;
  if (image) {
    const { os, version, architecture = 'amd64', mountScript, defaults, source } = image;
    if (typeof source.build !== 'object' || source.build === null) return [];
    // An empty script is none.
    const script = mountScript === '' ? undefined : mountScript;
    return [clean({ os, version, architecture, mountScript: script, defaults, build: { ...source.build } })];
  }
  const recipe = bare.safeParse(document).data;
  return recipe ? [{ architecture: 'amd64', ...recipe }] : [];
}

const clean = (given: Given): Given =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given;

function complete(given: Given, { push, plainHTTP }: RecipeOptions): Given {
  const repository = push ? {} : { repository: nowhere };
  return { ...given, build: { ...repository, ...given.build, ...(plainHTTP !== undefined && { plainHTTP }) } };
}

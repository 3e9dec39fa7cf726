import type { Defaults, LiteralDefaults, OSImageSpec } from './osimage.ts';

/** What an image says that its containers run, without what it must not say. */

type EnvVar = NonNullable<Defaults['env']>[number];

const isLiteral = ({ valueFrom }: EnvVar): boolean => valueFrom === undefined;
/** Fields of the Pod itself; Secrets and ConfigMaps would be those of the namespace, which the image does not own. */
const isOfThePod = ({ valueFrom }: EnvVar): boolean =>
  valueFrom?.fieldRef !== undefined || valueFrom?.resourceFieldRef !== undefined;

/** The same with literal values only: of an archive, a registry or an agent nothing else counts. */
export function literalOnly({ env, ...others }: Defaults): LiteralDefaults {
  return { ...others, ...(env && { env: env.filter(isLiteral) }) };
}

/**
 * The defaults in effect: those of spec, else those that were reported. A Secret or ConfigMap is named by none of them, also where an
 * earlier version has let it through: {@link namedSecrets} says which variables are left out.
 */
export function effectiveDefaults(
  { defaults }: Pick<OSImageSpec, 'defaults'>,
  reported: Defaults | undefined,
): Defaults | undefined {
  if (!defaults) return reported && literalOnly(reported);
  const { env, ...others } = defaults;
  return { ...others, ...(env && { env: env.filter((it) => isLiteral(it) || isOfThePod(it)) }) };
}

/** Names of the variables of spec that are left out, because they name a Secret or a ConfigMap. */
export const namedSecrets = ({ defaults }: Pick<OSImageSpec, 'defaults'>): string[] =>
  (defaults?.env ?? []).filter((it) => !isLiteral(it) && !isOfThePod(it)).map(({ name }) => name);

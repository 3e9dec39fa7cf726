import { Environment } from '@marcbachmann/cel-js';
import type { CelRule } from '../../api/meta.ts';
import { parseQuantity } from '../../api/kubernetes/quantity.ts';

/** As the API server has them in CEL. */
class Quantity {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** Made when a rule is asked first: no other command has to wait for it. */
const environment = (): Environment => (made ??= makeEnvironment());
let made: Environment | undefined;

function makeEnvironment(): Environment {
  return new Environment({ homogeneousAggregateLiterals: false })
    .registerVariable('self', 'dyn')
    .registerVariable('oldSelf', 'dyn')
    .registerType('Quantity', Quantity)
    .registerFunction('isQuantity(dyn): bool', (text: unknown) => quantityOf(text) !== undefined)
    .registerFunction('quantity(dyn): Quantity', (text: unknown) => new Quantity(quantityOf(text) ?? NaN))
    .registerFunction('Quantity.compareTo(Quantity): int', (one: Quantity, other: Quantity) =>
      BigInt(Math.sign(one.value - other.value)),
    );
}

const quantityOf = (text: unknown): number | undefined => (typeof text === 'string' ? parseQuantity(text) : undefined);

const parsed = new Map<string, ReturnType<Environment['parse']>>();

/** Why a rule in CEL cannot be asked here; undefined when it can. A test asks it of all rules. */
export function problemOfRule({ rule }: CelRule): string | undefined {
  const { valid, error } = environment().check(rule);
  return valid ? undefined : (error?.message ?? 'unknown');
}

/** A rule about what was there before; the API server alone knows that. */
export const isTransition = ({ rule }: CelRule): boolean => /\boldSelf\b/.test(rule);

/** Whether a value, with the defaults of its schema and numbers as CEL has them, keeps a rule. What cannot be evaluated does not, as in the API server. */
export function keeps({ rule }: CelRule, self: unknown): boolean {
  let evaluate = parsed.get(rule);
  if (!evaluate) parsed.set(rule, (evaluate = environment().parse(rule)));
  try {
    return evaluate({ self }) === true;
  } catch {
    return false;
  }
}

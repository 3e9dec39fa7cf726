import { z } from 'zod';
import { parseJson } from '../../../../runtime/json.ts';

export interface GateResult {
  holds: boolean;
  /** The value or what is wrong, for people: at most 1024 characters, never a secret. */
  message: string;
}

/** An answer of Prometheus to a query at one time (https://prometheus.io/docs/prometheus/latest/querying/api/). */

const sample = z.tuple([z.number(), z.string()]);
const series = z.object({ metric: z.record(z.string(), z.string()).default({}), value: sample.optional() });
const data = z.union([
  z.object({ resultType: z.literal('scalar'), result: sample }),
  z.object({ resultType: z.literal('vector'), result: z.array(series) }),
  z.object({ resultType: z.enum(['matrix', 'string']) }),
]);
type Data = z.output<typeof data>;
const answer = z.union([
  z.object({ status: z.literal('success'), data }),
  z.object({ status: z.literal('error'), errorType: z.string().default('error'), error: z.string().default('') }),
]);

type Tell = (text: string) => string;

const no = (message: string): GateResult => ({ holds: false, message });

/** Whether an answer of Prometheus lets a rollout go on. `tell` makes what a server said fit for people. */
export function queryResult(status: number, text: string, host: string, tell: Tell): GateResult {
  const parsed = answer.safeParse(read(text)).data;
  if (parsed?.status === 'error') {
    return no(
      `${host} answered ${status}: ${tell(`${parsed.errorType}: ${parsed.error}`)}; check the query of the gate`,
    );
  }
  if (parsed && status === 200) return dataResult(parsed.data, tell);
  const what = status === 200 ? '200 and nothing that Prometheus would say' : String(status);
  return no(`${host} answered ${what}: ${tell(text) || 'nothing'}; check the url of the gate`);
}

function dataResult(data: Data, tell: Tell): GateResult {
  if (!('result' in data)) {
    return no(`The query gives a ${data.resultType}; make it give a scalar or a vector`);
  }
  const values = data.resultType === 'scalar' ? [{ metric: {}, value: data.result }] : data.result;
  const bad = values.find(({ value }) => !isTrueValue(value?.[1]));
  const shown = bad ?? values[0];
  if (!shown) return no('The query gave nothing');
  const value = tell(`${shown.value?.[1] ?? 'a histogram'} ${labelsOf(shown.metric)}`);
  return {
    holds: !bad,
    message: `The query gave ${value}${values.length > 1 ? `, one of ${values.length} values` : ''}`,
  };
}

/** A number other than 0. Prometheus writes the infinite ones as +Inf and -Inf. */
function isTrueValue(value = ''): boolean {
  if (/^[+-]?Inf$/.test(value)) return true;
  const number = Number(value);
  return value.trim() !== '' && !Number.isNaN(number) && number !== 0;
}

function labelsOf(metric: Record<string, string>): string {
  const labels = Object.entries(metric).map(([name, value]) => `${name}="${value}"`);
  return labels.length > 0 ? `{${labels.join(', ')}}` : '';
}

/** As much as a query of Prometheus that gives thousands of series. */
const limits = { bytes: 256 * 1024, values: 50_000 };

function read(text: string): unknown {
  try {
    return parseJson(Buffer.from(text), limits);
  } catch {
    return undefined;
  }
}

import { dump } from 'js-yaml';

/** Objects or an answer as JSON or YAML, as programs read it. */
export function structured(format: 'json' | 'yaml', value: unknown): string {
  return format === 'json'
    ? JSON.stringify(value, null, 2)
    : dump(JSON.parse(JSON.stringify(value)), { lineWidth: -1, noRefs: true }).trimEnd();
}

/** Whether the answer is for a program. */
export const isStructured = (format: string | undefined): format is 'json' | 'yaml' =>
  format === 'json' || format === 'yaml';

/** What the first of some rules finds that finds anything; undefined when none does. Their order is the order of importance. */
export function firstHit<Input extends readonly unknown[], Hit>(
  rules: Iterable<(...input: Input) => Hit | undefined>,
  ...input: Input
): Hit | undefined {
  for (const rule of rules) {
    const hit = rule(...input);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

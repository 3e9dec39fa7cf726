/** Like Promise.all of two, but when one fails it waits for the other: nothing works on behind the back of who cleans up. */
export async function together<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

// Fails when a text of this repository has one of the words of the list below: they make plain English hard to read. Called by
// hack/verify and hack/test. Names in quotes or code, such as the user `nobody`, do not count.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';

/** The word, and what to write instead. */
const words: readonly [RegExp, string][] = [
  [/\bwholly\b/i, 'all of it, completely'],
  [/\banew\b/i, 'again'],
  [/\bborne\b/i, 'tolerated'],
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\bshall\b/i, 'must, should'],
  [/(?<!\w|const |user: |UnknownUser: )nobody\b(?!['"`](?!s\b))(?!:\S|; kubectl)/i, 'no one'],
  [/\b(is|are|was|were|be|been|being) told\b(?! (apart|from)\b)/i, 'is reported, is asked for, learns'],
  [/\bwhatever becomes of\b/i, 'say what happens'],
];

const texts = new Set(['.ts', '.mjs', '.js', '.md', '.sh', '.yaml', '.c', '']);
const isOurs = (file: string): boolean =>
  texts.has(extname(file)) && !/^(CHANGELOG\.md|LICENSE|hack\/lib\/words\.ts|package-lock\.json)$/.test(file);

const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' })
  .split('\0')
  .filter((it) => it !== '');
let found = 0;
for (const file of files.filter(isOurs)) {
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    for (const [word, instead] of words) {
      if (!word.test(line)) continue;
      found += 1;
      console.error(`${file}:${index + 1}: '${word.exec(line)?.[0] ?? ''}'; better: ${instead}`);
    }
  }
}
if (found > 0) process.exitCode = 1;

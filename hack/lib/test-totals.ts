// Prints "passed failed skipped" of one vitest run, from its JSON report and its exit code. Called by hack/test.
import { existsSync, readFileSync } from 'node:fs';

/** What vitest writes, as far as it is counted. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: object[] }[];
}

const [file = '', exitCode = '1'] = process.argv.slice(2);
const none: Report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : none;
// A file that could not even be loaded has no tests to count, and is one failure.
const broken = report.testResults.filter((it) => it.status === 'failed' && it.assertionResults.length === 0).length;
const failed = report.numFailedTests + broken;
// A run can also fail beside all tests: its set-up did, or an error was thrown that no one caught.
const unexplained = exitCode !== '0' && failed === 0 ? 1 : 0;
console.log(report.numPassedTests, failed + unexplained, report.numPendingTests + report.numTodoTests);

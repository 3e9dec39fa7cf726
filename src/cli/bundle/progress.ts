import type { BuildLog, Step } from '../../builder/ports.ts';
import { duration, printable } from '../terminal.ts';
import type { Screen } from '../terminal.ts';

/** Shows the steps of a build: what is done with its time, and of what is going on the last line of its log. */
export function screenProgress(screen: Screen): BuildLog {
  let title = '';
  return {
    begin({ number, of, name, what }: Step) {
      // Without what it does: a line of a terminal is short, and what happens now matters more.
      title = `Step ${number} of ${of}: ${name}`;
      screen.progress(`${title}: ${what}`);
    },
    line: (text) => screen.progress(`${title}: ${printable(text)}`),
    end({ number, of, name, what }, milliseconds) {
      screen.line(
        `${screen.paint('green', 'done')} ${number}/${of} ${name}: ${what} (${duration(milliseconds / 1000)})`,
      );
    },
  };
}

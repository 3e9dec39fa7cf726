import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { aborted } from '../../runtime/time.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { withStoreLock } from './lock.ts';
import { storePaths } from './paths.ts';

/** Locks that write down what happens, and what the log says. */
function locks() {
  const paths = storePaths(temporaryDirectory());
  const events: string[] = [];
  const logger = pino({}, { write: (line: string) => void events.push((JSON.parse(line) as { msg: string }).msg) });
  const lock = (name: string) => {
    const stop = new AbortController();
    const done = withStoreLock(paths, logger, stop.signal, async (signal) => {
      events.push(`${name} has it`);
      await aborted(signal);
      events.push(`${name} stops`);
    });
    return { done, stop: () => stop.abort() };
  };
  const seen = async (part: string) => {
    const deadline = Date.now() + 90_000;
    while (!events.some((it) => it.includes(part))) {
      if (Date.now() > deadline) throw new Error(`${part} is not in ${events.join('; ')}`);
      await setTimeout(10);
    }
  };
  /** The child of this process that has the file of the lock open. */
  const holder = () => {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
    const opens = (pid: string) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return Number(children.find((pid) => opens(pid).includes(join(paths.root, 'lock'))));
  };
  return { paths, events, lock, seen, holder };
}

test('one works at a time; the other waits, says so, and goes on', async () => {
  const { events, lock, seen } = locks();
  const one = lock('one');
  await seen('one has it');
  const other = lock('other');
  await seen('Waiting for another agent');
  one.stop();
  await one.done;
  await seen('other has it');
  other.stop();
  await other.done;
  expect(events.map((it) => it.replace(/[;,].*/, ''))).toEqual([
    'one has it',
    'Waiting for another agent that uses the store of this node',
    'one stops',
    ...['Continued: no other agent uses the store any more', 'other has it', 'other stops'],
  ]);
});

test('whoever waits can be stopped, and does nothing', async () => {
  const { events, lock, seen } = locks();
  const one = lock('one');
  await seen('one has it');
  const other = lock('other');
  other.stop();
  await other.done;
  one.stop();
  await one.done;
  expect(events).toEqual(['one has it', 'one stops']);
});

test('a holder that is killed leaves nothing behind', async () => {
  const { paths, lock, seen } = locks();
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { withStoreLock } = await import(${module('./lock.ts')});
    await withStoreLock(${JSON.stringify(paths)}, console, new AbortController().signal, async () => {
      console.log('locked');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`;
  const killed = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(killed.stdout, 'data');
  const other = lock('other');
  await seen('Waiting for another agent');
  killed.kill('SIGKILL');
  await seen('other has it');
  other.stop();
  await other.done;
});

test('a lock that is lost stops the work and is reported', async () => {
  const { events, lock, seen, holder } = locks();
  const one = lock('one');
  const failed = expect(one.done).rejects.toThrow('Lost the lock');
  await seen('one has it');
  process.kill(holder());
  await failed;
  expect(events).toEqual(['one has it', 'one stops']);
});

test('what cannot be locked is an error', async () => {
  const path = join(temporaryDirectory(), 'root');
  writeFileSync(path, '');
  await expect(
    withStoreLock(storePaths(path), pino({ level: 'silent' }), new AbortController().signal, () => Promise.resolve()),
  ).rejects.toThrow('EEXIST');
});

#!/usr/bin/env node
import process from 'node:process';
import { commands } from '../cli/commands.ts';
import { runCommandLine } from '../cli/main.ts';
import { packageVersion } from './version.ts';

/** `kubectl monoroot`: the plugin. */

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
// The reader may stop before the end, as `head` does.
process.stdout.on('error', () => process.exit(0));

const code = await runCommandLine(process.argv.slice(2), commands, {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  now: () => new Date(),
  kubectl: process.env['KUBECTL'] ?? 'kubectl',
  version: packageVersion,
  env: process.env,
  system: { platform: process.platform, arch: process.arch, uid: process.getuid?.() },
});
process.exitCode = code;

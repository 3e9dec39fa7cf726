import { expect, test } from 'vitest';
import { z } from 'zod';
import { defaultsOf, runConfig } from './image-config.ts';

const read = (of: object) => {
  const defaults = defaultsOf(runConfig.parse(of));
  return defaults instanceof z.ZodError ? `refused: ${z.prettifyError(defaults)}` : defaults;
};

test('what a container runs is taken; health checks, ports and labels are not', () => {
  const image = {
    Entrypoint: ['/docker-entrypoint.sh'],
    Cmd: ['nginx', '-g', 'daemon off;'],
    Env: ['NGINX_VERSION=1.27'],
    User: 'nginx',
    WorkingDir: '/srv',
    StopSignal: 'SIGQUIT',
    Volumes: { '/var/cache/nginx': {}, '/srv/upload/': {} },
    Healthcheck: { Test: ['CMD', 'true'] },
    ExposedPorts: { '80/tcp': {} },
    Labels: { a: 'b' },
  };
  expect(read(image)).toEqual({
    command: ['/docker-entrypoint.sh'],
    args: ['nginx', '-g', 'daemon off;'],
    env: [{ name: 'NGINX_VERSION', value: '1.27' }],
    user: 'nginx',
    workingDir: '/srv',
    stopSignal: 'SIGQUIT',
    volumes: ['/srv/upload', '/var/cache/nginx'],
  });
});

test.each<[string, object, object | undefined]>([
  [
    'a command that is a text',
    { Cmd: 'nginx -g x', Entrypoint: '/run me' },
    { command: ['/run me'], args: ['nginx -g x'] },
  ],
  ['a relative working directory', { WorkingDir: 'srv/app' }, { workingDir: '/srv/app' }],
  ['a working directory that goes up', { WorkingDir: './srv/../../app/' }, { workingDir: '/app' }],
  ['no working directory', { WorkingDir: '' }, undefined],
  [
    'variables that a shell cannot name',
    { Env: ['BASH_FUNC_x%%=() { :; }', '7ZIP=/opt', 'spring.profiles.active=a=b', 'A B=c'] },
    {
      env: [
        { name: 'BASH_FUNC_x%%', value: '() { :; }' },
        { name: '7ZIP', value: '/opt' },
        { name: 'spring.profiles.active', value: 'a=b' },
        { name: 'A B', value: 'c' },
      ],
    },
  ],
  ['what is no variable', { Env: ['ALONE', '=x', 'A='] }, { env: [{ name: 'A', value: '' }] }],
  ['two variables of a name', { Env: ['A=1', 'A=2'] }, { env: [{ name: 'A', value: '2' }] }],
  ['a number as the user', { User: '1000:1001' }, { user: '1000:1001' }],
  ['a user without a group', { User: 'Jenkins:' }, { user: 'Jenkins' }],
  ['a group alone', { User: ':daemon' }, { user: '0:daemon' }],
  ['no user', { User: '' }, undefined],
  ['a signal without SIG', { StopSignal: 'quit' }, { stopSignal: 'SIGQUIT' }],
  ['the number of a signal', { StopSignal: '28' }, { stopSignal: 'SIGWINCH' }],
  ['a signal of real time', { StopSignal: 'SIGRTMIN+3' }, { stopSignal: 'SIGRTMIN+3' }],
  ['its number', { StopSignal: '37' }, { stopSignal: 'SIGRTMIN+3' }],
  ['the number of the first', { StopSignal: '34' }, { stopSignal: 'SIGRTMIN' }],
  ['the root as a volume', { Volumes: { '/': {} } }, undefined],
])('as other runtimes do: %s', (_name, image, expected) => expect(read(image)).toEqual(expected));

test.each([
  ['a signal that is none', { StopSignal: 'SIGNONE' }, 'stopSignal'],
  ['a user with a blank', { User: 'a b' }, 'user'],
  ['a variable whose name no Pod takes', { Env: ['ä=1'] }, 'env'],
])('refused, with the field: %s', (_name, image, field) =>
  expect(read(image)).toMatch(new RegExp(`^refused: .*${field}`, 's')),
);

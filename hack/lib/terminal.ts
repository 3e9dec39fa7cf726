/** The demo and the benches write as the command line does. */
export * from '../../src/cli/terminal.ts';

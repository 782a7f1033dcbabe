import { parse } from '../../grammar/parser.ts';
import type { SyntaxProblem } from '../../grammar/syntax.ts';
import { printProgram } from './printer.ts';

/** A program in the one layout: 100 columns, comments kept, the tree unchanged; formatting twice changes nothing more. */
export function format(text: string): { readonly text: string } | { readonly errors: readonly SyntaxProblem[] } {
  const { tree, errors } = parse(text);
  return errors.length > 0 ? { errors } : { text: printProgram(tree, text) };
}

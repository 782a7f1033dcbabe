import type { Expr, Program, Spanned } from '../../grammar/syntax.ts';

/** An expression with every bracket shown: `(+ 1 (* 2 3))`. */
export function lisp(node: Expr): string {
  switch (node.kind) {
    case 'name':
      return node.name;
    case 'number':
      return node.text;
    case 'text':
      return JSON.stringify(node.value);
    case 'truth':
      return String(node.value);
    case 'list':
      return `[${node.items.map(lisp).join(' ')}]`;
    case 'tensor':
      return `(tensor ${node.dtype.name} ${node.dims.map(lisp).join(' ')})`;
    case 'choice':
      return `(| ${node.alternatives.map((a) => lisp(a.value) + (a.weight ? `@${lisp(a.weight)}` : '')).join(' ')})`;
    case 'order':
      return `(<> ${node.items.map(lisp).join(' ')})`;
    case 'chain':
      return `(-> ${node.steps.map(lisp).join(' ')})`;
    case 'via':
      return `(via ${lisp(node.value)} ${lisp(node.weight)})`;
    case 'binary':
      return `(${node.operator} ${lisp(node.left)} ${lisp(node.right)})`;
    case 'unary':
      return `(${node.operator} ${lisp(node.value)})`;
    case 'prior':
      return `(~ ${lisp(node.value)} ${lisp(node.prior)})`;
    case 'range': {
      const step = node.step ? ` step ${lisp(node.step)}` : '';
      return `(.. ${lisp(node.from)} ${lisp(node.to)}${step}${node.log ? ' log' : ''}${node.pow2 ? ' pow2' : ''})`;
    }
    case 'optional':
      return `(? ${lisp(node.value)})`;
    case 'repeat':
      return `(${node.tied ? 'tied' : 'times'} ${lisp(node.value)} ${lisp(node.times)})`;
    case 'call':
      return `(${lisp(node.callee)}${node.args.map((a) => ` ${a.name ? `${a.name.name}: ` : ''}${lisp(a.value)}`).join('')})`;
    case 'index':
      return `(at ${lisp(node.value)} ${node.items.map((i) => (i.kind === 'every' ? '*' : lisp(i))).join(' ')})`;
    case 'member':
      return `(. ${lisp(node.value)} ${node.member.name})`;
    case 'labelled':
      return `(as ${lisp(node.value)} ${node.label.name})`;
    case 'each':
      return `(each ${lisp(node.value)})`;
    case 'if':
      return `(if ${lisp(node.test)} ${lisp(node.then)} ${lisp(node.otherwise)})`;
    case 'letin':
      return `(let ${node.name.name} ${lisp(node.value)} ${lisp(node.body)})`;
  }
}

const layout = new Set(['start', 'end', 'parens', 'comments']);

/** A tree without what formatting may change: places, comments, needless parentheses. */
export function bare(tree: Program | Spanned): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value: unknown) => (layout.has(key) ? undefined : value)));
}

// The resolution hook that packages.mjs registers: a bare specifier in a peer's file is looked up as if
// the file were in the folder of the installed packages. Inside that folder nothing changes.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

let folder;

export function initialize(data) {
  folder = pathToFileURL(join(data, 'package.json')).href;
}

export function resolve(specifier, context, next) {
  const bare = /^@?[a-z0-9]/.test(specifier) && !specifier.includes(':');
  const installed = context.parentURL?.includes('/node_modules/');
  return next(specifier, bare && !installed ? { ...context, parentURL: folder } : context);
}

export { Group } from './group.ts';
export { Region } from './region.ts';
export { deploy, type Template } from './stack.ts';

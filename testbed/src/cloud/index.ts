export { EACH_BOOT } from './boot.ts';
export { Emulator } from './emulator.ts';
export { Group } from './group.ts';
export { findMoto } from './moto.ts';
export { Region } from './region.ts';
export { S3Server } from './s3.ts';
export { deploy, type Template } from './stack.ts';

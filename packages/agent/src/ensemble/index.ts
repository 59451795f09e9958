export { dynamicConfig, type MemberConfig, parseServer, type Server, zooCfg } from './config.ts';
export { Controller, type ControllerOptions, holderRecord, serverLine } from './controller.ts';
export { fetchJars, findJars, findJava, type Java, jarsFolder, ZOOKEEPER_VERSION } from './jars.ts';
export { freePorts, LoopbackEnsemble } from './loopback.ts';
export { Member, type MemberHealth, type MemberOptions } from './member.ts';
export { identify, lives, type ProcessIdentity } from './process.ts';

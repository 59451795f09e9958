// Brings ZooKeeper's jars for the tests, once; says so where they cannot be had, and then those tests say that they are left out.
import { fetchJars, findJars, findJava } from '../packages/agent/src/ensemble/index.ts';

if (!(await findJava())) console.log('Java is missing: tests with a real ZooKeeper will be left out');
else if (!(await findJars())) {
  try {
    console.log(`jars: ${await fetchJars()}`);
  } catch (error) {
    console.log(`${(error as Error).message}: tests with a real ZooKeeper will be left out`);
  }
}

// Brings moto for the tests of AWS, once; says so where it cannot be had, and then those tests say that they are left out.
import { findMoto, installMoto } from '../testbed/src/cloud/moto.ts';

if (!(await findMoto())) {
  try {
    console.log(`moto: ${await installMoto()}`);
  } catch (error) {
    console.log(`${(error as Error).message}\nmoto cannot be installed: tests with an emulated AWS will be left out`);
  }
}

// Inference speed of ONNX Runtime on random images: a peer of tests/bench/infer.c.
//
// usage: ORT_NODE=DIR node ort_infer.js MODEL.onnx SIZE BATCH THREADS SECONDS
// DIR is the directory of the package onnxruntime-node, or one with node_modules in it.  Prints
// images a second, after two batches that warm up, and the memory used in MiB.
'use strict';
const fs = require('fs');
const path = require('path');

const [model, size, batch, threads, seconds] = process.argv.slice(2);
const [side, n] = [Number(size), Number(batch)];
const installed = path.join(process.env.ORT_NODE, 'node_modules', 'onnxruntime-node');
const ort = require(fs.existsSync(installed) ? installed : path.resolve(process.env.ORT_NODE));

const now = () => Number(process.hrtime.bigint()) * 1e-9;

async function main() {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'], intraOpNumThreads: Number(threads), interOpNumThreads: 1,
    executionMode: 'sequential', graphOptimizationLevel: 'all',
  });
  const data = Float32Array.from({ length: n * 3 * side * side }, () => Math.random() * 2 - 1);
  const input = { x: new ort.Tensor('float32', data, [n, 3, side, side]) };
  let done = 0, start = 0;

  while (done < 3 || now() - start < Number(seconds)) {
    if (done === 2) start = now();
    await session.run(input);
    done++;
  }
  const rate = (done - 2) * n / (now() - start);
  console.log(rate.toFixed(1), Math.round(process.resourceUsage().maxRSS / 1024));
}

main().catch((e) => {
  console.error(e.message);
  process.exit(1);
});

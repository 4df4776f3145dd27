// The other side of bench_inference: onnxruntime runs a file when told to.
//
//     node inference_peers.js FILE.onnx SIDE BATCH THREADS
//
// Reads "ROUNDS" lines, runs so many batches, and answers "processor-seconds
// wall-seconds peak-MB", the first two for one batch. onnxruntime-node is looked for in
// build/onnxruntime/node_modules.
const path = require('path');
const ort = require(path.resolve('build/onnxruntime/node_modules/onnxruntime-node'));
const lines = require('readline').createInterface({input: process.stdin});
const [file, side, batch, threads] = process.argv.slice(2);

(async () => {
  const session = await ort.InferenceSession.create(
    file, {intraOpNumThreads: +threads, interOpNumThreads: 1});
  const images = new Float32Array(batch * 3 * side * side).map(() => Math.random() * 2 - 1);
  const feed = {
    [session.inputNames[0]]: new ort.Tensor('float32', images, [+batch, 3, +side, +side]),
  };
  for await (const line of lines) {
    const rounds = +line, cpu = process.cpuUsage(), wall = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) await session.run(feed);
    const used = process.cpuUsage(cpu);
    const peak = Math.round(process.resourceUsage().maxRSS / 1024);
    console.log((used.user + used.system) / 1e6 / rounds,
      Number(process.hrtime.bigint() - wall) / 1e9 / rounds, peak);
  }
})();

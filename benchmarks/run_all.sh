#!/usr/bin/env bash
# Every figure of the README into benchmarks/results: three seeds, one thread a run. Hours on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${BIN:-.venv/bin}/python"
export OMP_NUM_THREADS=1
results=benchmarks/results
for seed in 0 1 2; do
  "$PYTHON" benchmarks/tutorial.py --seed $seed --json $results/tutorial-$seed.json
  "$PYTHON" benchmarks/movielens.py --specs RQ8 RQ4 --seed $seed --json $results/movielens-additive-$seed.json
  "$PYTHON" benchmarks/movielens.py --seed $seed --json $results/movielens-history-$seed.json
  "$PYTHON" benchmarks/float_model.py --tower sequence --seed $seed --json $results/float-sequence-$seed.json
  "$PYTHON" benchmarks/step_overhead.py --seed $seed --json $results/step_overhead-$seed.json
  "$PYTHON" benchmarks/encode.py --seed $seed --json $results/encode-$seed.json
  "$PYTHON" benchmarks/write_faiss.py --seed $seed --json $results/write_faiss-$seed.json
  "$PYTHON" benchmarks/givens.py --seed $seed --json $results/givens-$seed.json
  for split in last time; do
    "$PYTHON" benchmarks/paper_table.py --split $split --seed $seed --json $results/paper_table-$split-$seed.json
  done
  for recipe in paper ours; do
    "$PYTHON" benchmarks/ablations.py --recipe $recipe --seed $seed --json $results/ablations-$recipe-$seed.json
  done
  for start in identity axes; do
    "$PYTHON" benchmarks/rotation_learning.py --start $start --seed $seed \
      --json $results/rotation_learning-$start-$seed.json
  done
  "$PYTHON" benchmarks/indexing_time.py --seed $seed --json $results/indexing_time-$seed.json
done
"$PYTHON" benchmarks/movielens.py --tower sequence --specs OPQ8,PQ8 --json $results/movielens-sequence-0.json
"$PYTHON" -m poeem bench --dataset debian --bytes 4,8,16,32 --no-plots --out $results/debian-frozen-stock \
  --methods opq,poeem-adapter,rq,pq,truncate-pq,lsh,rabitq,binary,sq8
"$PYTHON" -m poeem bench --dataset debian --bytes 4,8,16,32 --no-plots --out $results/debian-frozen-ours \
  --methods poeem-rq,poeem-rq-labels
"$PYTHON" benchmarks/summary.py
"$PYTHON" benchmarks/plot.py docs/figures/movielens.svg
"$PYTHON" benchmarks/papers_summary.py
"$PYTHON" benchmarks/plot_rotation.py docs/figures/rotation.svg

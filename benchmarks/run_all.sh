#!/usr/bin/env bash
# Tables and pictures of README and docs, from scratch: `bash benchmarks/run_all.sh PART...`, by default all of them.
# Every part runs its benchmarks into benchmarks/results, one thread a run, and then fills the marked blocks and draws the
# pictures again. Results that are there are thrown away first; RESUME=1 goes on with them where the run was stopped.
# SEEDS="0" for fewer seeds than three. All parts: hours on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN="${BIN:-.venv/bin}"
export OMP_NUM_THREADS=1
SEEDS="${SEEDS:-0 1 2}"
results=benchmarks/results

# Results that are not to be gone on with.
fresh() { [ -n "${RESUME:-}" ] || rm -rf "$@"; }
# A script of benchmarks/ for every seed: name of the results, script, its arguments.
seeds() {
  local name=$1 script=$2 seed
  shift 2
  # Of seeds that are not asked for now, too: no table is to mix the runs of two days.
  fresh "$results/$name"-[0-9]*.json
  for seed in $SEEDS; do
    "$BIN/python" "benchmarks/$script.py" "$@" --seed "$seed" --json "$results/$name-$seed.json"
  done
}
# `poeem bench` for all seeds: folder of the results, its arguments.
bench() {
  local folder=$1
  shift
  # FOLDER.2 is what another machine went on with: its processor encodes texts to other last bits.
  fresh "$results/$folder" "$results/$folder".[0-9]*
  "$BIN/python" -m poeem bench --no-plots --seeds "${SEEDS// /,}" --out "$results/$folder" "$@"
}
tables() { "$BIN/python" benchmarks/summary.py && "$BIN/python" benchmarks/papers_summary.py; }
draw() { "$BIN/python" "benchmarks/$1.py" "docs/figures/$2" "${@:3}"; }

part_tutorial() { seeds tutorial tutorial; }
part_movielens() {
  seeds opq_sizes opq_sizes
  seeds movielens-additive interactions --specs RQ8 RQ4
  seeds movielens-history interactions
  SEEDS=0 seeds movielens-sequence interactions --tower sequence --specs OPQ8,PQ8
  seeds float-sequence float_model --tower sequence
  draw plot movielens.svg
}
part_journey() {
  seeds journey interactions --dataset complete-journey --specs RQ8 RQ4
}
part_speed() {
  seeds step_overhead step_overhead
  seeds encode encode
  seeds export_speed export_speed
  seeds search_overhead search_overhead
  seeds givens givens
}
part_engines() {
  SEEDS=0 seeds engines engines
  SEEDS=0 seeds contrib contrib --rows 12000 --queries 100 --sample 200
  SEEDS=0 seeds life_cycle life_cycle
}
part_papers() {
  local kind
  for kind in last time; do seeds "paper_table-$kind" paper_table --split $kind; done
  for kind in paper ours; do seeds "ablations-$kind" ablations --recipe $kind; done
  for kind in identity axes; do seeds "rotation_learning-$kind" rotation_learning --start $kind; done
  seeds indexing_time indexing_time
  draw plot_rotation rotation.svg
}
part_frozen() {
  bench debian-frozen-ours --dataset debian --bytes 4,8,16,32 --methods poeem-rq,poeem-rq-labels,poeem-pq,poeem-pq-labels
  bench debian-frozen-stock --dataset debian --bytes 4,8,16,32 \
    --methods opq,poeem-adapter,rq,rq-refined,scann,pq,truncate-pq,lsh,rabitq,binary,sq8
  bench debian-frozen-reranked --dataset debian --bytes 8 --rescore 400 --methods rabitq,binary,sq8
  bench debian-frozen-without --dataset debian --bytes 8 --methods poeem-rq-no-adapter,poeem-rq-no-queries
  bench debian-fit_time --dataset debian --bytes 8 --methods opq,poeem-rq
  draw where where.svg
  draw draw_bench debian
}
part_recipes() {
  bench debian-frozen-recipes --dataset debian --bytes 8 --methods poeem-2021,jpq,repconc,mopq,distill-vq
  fresh $results/debian_taught-recipes
  "$BIN/python" benchmarks/taught_vectors.py --dataset debian --out $results/debian_taught-recipes \
    --methods opq,poeem-2021,jpq,repconc,mopq,distill-vq --bytes 8 --seeds "${SEEDS// /,}"
}
part_wordnet() { bench wordnet-frozen --dataset wordnet --bytes 4,8,16 --methods opq,rq,scann,poeem-rq,poeem-rq-labels,poeem-pq; }
part_glove() { bench glove-frozen --dataset glove --bytes 10 --methods opq,rq,poeem-rq,poeem-pq; }
part_qps() {
  local points="--nlist 256 --nprobe 1,2,4,8,16,32,64 --rescore 0,200"
  bench debian-speed --dataset debian $points --bytes 16 \
    --methods opq,opq-fastscan,scann,rabitq,sq8,poeem-pq,poeem-fastscan,poeem-rq
  # With twice the bytes a method finds more, and what found least comes further.
  SEEDS=0 bench debian_32-speed --dataset debian $points --bytes 16,32 --methods opq,opq-fastscan,scann,poeem-fastscan
  draw draw_bench debian
}
part_afterwards() {
  local runs=runs/afterwards spec
  for spec in RQ4 RQ8; do
    fresh "$runs/$spec"
    [ -e "$runs/$spec/metrics.json" ] ||
      "$BIN/python" -m poeem train --dataset ml-1m --index $spec --baselines none --out "$runs/$spec"
  done
  bench movielens-afterwards --run $runs/RQ4 --run $runs/RQ8 \
    --methods opq,rq,rq-refined,scann,poeem-adapter,poeem-rq,poeem-rq-labels,joint
}
part_versions() {
  seeds stability stability --epochs 3 --follow-epochs 2 --stability 0.5 1 2 4 8 1e9
  draw plot_stability stability.svg
}
part_others() {
  seeds lists lists
  draw plot_lists lists.svg
  seeds compressed_table compressed_table
}

parts="tutorial movielens journey afterwards speed engines papers frozen recipes wordnet glove qps versions others"
asked="${*:-all}"
[ "$asked" = all ] && asked=$parts
for part in $asked; do
  case " $parts tables " in
    *" $part "*) ;;
    *) echo "PART (=$part) must be all, tables or some of $parts" >&2 && exit 2 ;;
  esac
done
for part in $asked; do
  [ "$part" = tables ] || "part_$part"
done
tables

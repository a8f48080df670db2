// The program pyneuro_bench: says what it runs on, then measures the rows of the other files.
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "measure.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

namespace pyneuro::bench {
namespace {

constexpr const char* kUsage =
    "pyneuro_bench [--rows TEXT] [--rounds N] [--sample-ms MS] [--reduced] [--json FILE]\n"
    "  --rows       only rows with this in their name\n"
    "  --rounds     samples of each row: 10\n"
    "  --sample-ms  that a sample takes at least: 10\n"
    "  --reduced    small sizes, one round: does it run at all?\n"
    "  --json       write all samples there as well\n"
    "PYNEURO_NUM_THREADS and PYNEURO_ISA choose threads and kernels, PYNEURO_CONV_ALGO the\n"
    "algorithm of convolutions.\n";

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

double number(const std::string& name, const char* text, double least) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= least))
    stop(join(name, " must be a number from ", least, " on, got ", text));
  return value;
}

Options options_of(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--reduced") {
      options.reduced = true, options.rounds = 1, options.sample = 0;
      continue;
    }
    if (name != "--rows" && name != "--rounds" && name != "--sample-ms" && name != "--json")
      stop("unknown: " + name);
    if (++i == count) stop(name + " needs a value");
    const char* value = arguments[i];
    if (name == "--rows") options.filter = value;
    if (name == "--json") options.json = value;
    if (name == "--rounds") options.rounds = int(number(name, value, 1));
    if (name == "--sample-ms") options.sample = number(name, value, 0) * 1e-3;
  }
  return options;
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&time));
  return text;
}

/// The rate of a yardstick in 1e9 a second, as text.
std::string rate(const Options& options, const std::function<double()>& yardstick) {
  std::vector<double> rates;
  for (int i = 0; i < 5 * options.rounds; ++i) rates.push_back(yardstick());
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", median(rates) / 1e9);
  return text;
}

int run_all(const Options& options) {
  Bench bench(options);
  const auto peak = [&](const auto& yardstick) { return rate(options, yardstick); };
  const std::vector<std::pair<std::string, std::string>> about = {
      {"date", now()},
      {"processor", cpu_name()},
      {"isa", cpu_backend().isa},
      {"threads", std::to_string(num_threads())},
      {"GFLOP/s of multiply-adds", peak(fma_rate)},
      {"GB/s copied in 256 KB", peak(copy_rate(256 << 10))},
      {"GB/s read in 256 KB", peak(read_rate(256 << 10))},
      {"GB/s copied in 64 MB", peak(copy_rate(64 << 20))},
      {"GB/s read in 64 MB", peak(read_rate(64 << 20))}};
  for (size_t i = 0; i < about.size(); ++i)
    std::printf("%s%s %s", i ? "; " : "", about[i].first.c_str(), about[i].second.c_str());
  std::printf("\n\n| %-68s | %10s | %6s | %14s | %5s |\n", "work", "median", "spread", "rate",
              "share");
  std::printf("| --- | --: | --: | --: | --: |\n");
  for (const auto rows :
       {gemm_rows, conv_rows, elementwise_rows, reduce_rows, line_rows, image_rows, sequence_rows,
        placement_rows, update_rows, plan_rows, thread_rows})
    rows(bench);
  bench.finish(about);
  if (bench.rows() == 0) stop("no row has \"" + options.filter + "\" in its name");
  return 0;
}

}  // namespace
}  // namespace pyneuro::bench

int main(int argc, char** argv) {
  using namespace pyneuro;
  try {
    return bench::run_all(bench::options_of(argc, argv));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

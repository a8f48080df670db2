// Bench: samples of rows, the table, and JSON.
#include "measure.h"

#include <cmath>
#include <cstdio>

namespace pyneuro::bench {
namespace {

// Looks at the yardstick before each sample: as many as fit in these seconds, at least one.
constexpr double kLooking = 2e-3;

/// How often to call, so that it takes about that long.
int64_t count_for(const std::function<void()>& call, double least) {
  call();  // first touch
  for (int64_t count = 1;; count *= 4) {
    const double took = seconds([&] {
      for (int64_t i = 0; i < count; ++i) call();
    });
    if (took > 0 && took >= least / 4)
      return std::max<int64_t>(1, std::llround(double(count) * least / took));
  }
}

std::string duration(double time) {
  char text[32];
  for (const auto& [unit, size] : {std::pair{"s", 1.0}, {"ms", 1e-3}, {"us", 1e-6}})
    if (time >= size) {
      std::snprintf(text, sizeof text, time < 100 * size ? "%.3g %s" : "%.0f %s", time / size,
                    unit);
      return text;
    }
  std::snprintf(text, sizeof text, "%.0f ns", time * 1e9);
  return text;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < ' ' ? ' ' : c;
  }
  return out + '"';
}

std::string list(const std::vector<double>& values) {
  std::string out;
  char text[32];
  for (const double value : values) {
    std::snprintf(text, sizeof text, "%s%.6g", out.empty() ? "" : ", ", value);
    out += text;
  }
  return "[" + out + "]";
}

}  // namespace

Bench::Bench(Options options) : options_(std::move(options)) {
  if (!options_.json.empty()) json_.open(options_.json);
  if (!json_) raise(ErrorKind::Argument, join("cannot write ", options_.json));
}

bool Bench::wanted(const std::string& name) const {
  return name.find(options_.filter) != std::string::npos;
}

int64_t Bench::sized(int64_t n) const {
  return options_.reduced ? std::max(std::min<int64_t>(n, 4), n / 16) : n;
}

void Bench::row(const std::string& name, const std::function<Work()>& make) {
  if (!wanted(name)) return;
  const Work work = make();
  Found found{name, work.amount / double(work.parts), work.unit, {}, {}};
  const int64_t count = count_for(work.call, options_.sample);
  for (int round = 0; round < options_.rounds; ++round) {
    std::vector<double> rates;
    for (double left = kLooking; work.yardstick && left > 0;)
      left -= seconds([&] { rates.push_back(work.yardstick()); });
    work.call();  // so that the next one finds its data where it would be
    const double time = seconds([&] {
      for (int64_t i = 0; i < count; ++i) work.call();
    });
    found.samples.push_back(time / double(count * work.parts));
    if (work.yardstick) {
      const double rate = found.amount / found.samples.back();
      found.shares.push_back(rate / median(rates));
    }
  }
  add(std::move(found));
}

void Bench::timed(const std::string& name, const std::function<double()>& sample) {
  if (!wanted(name)) return;
  Found found{name, 0, "", {}, {}};
  for (int round = 0; round < options_.rounds; ++round) found.samples.push_back(sample());
  add(std::move(found));
}

void Bench::add(Found found) {
  const double time = median(found.samples);
  const double spread = quantile(found.samples, 0.75) - quantile(found.samples, 0.25);
  char rate[32] = "", share[16] = "";
  if (found.amount > 0)
    std::snprintf(rate, sizeof rate, "%.3g G%s/s", found.amount / time / 1e9, found.unit);
  if (!found.shares.empty())
    std::snprintf(share, sizeof share, "%.0f%%", 100 * median(found.shares));
  std::printf("| %-68s | %10s | %5.0f%% | %14s | %5s |\n", found.name.c_str(),
              duration(time).c_str(), 100 * std::abs(spread / time), rate, share);
  std::fflush(stdout);
  found_.push_back(std::move(found));
}

void Bench::finish(const std::vector<std::pair<std::string, std::string>>& about) {
  if (!json_.is_open()) return;
  std::ofstream& out = json_;
  out << "{\n \"about\": {";
  for (size_t i = 0; i < about.size(); ++i)
    out << (i ? ", " : "") << quoted(about[i].first) << ": " << quoted(about[i].second);
  out << "},\n \"rows\": [";
  for (size_t i = 0; i < found_.size(); ++i) {
    const Found& f = found_[i];
    const double time = median(f.samples);
    out << (i ? ",\n" : "\n") << "  {\"name\": " << quoted(f.name)
        << ", \"unit\": " << quoted(f.unit) << ", \"amount\": " << f.amount
        << ", \"median\": " << time;
    if (!f.shares.empty())
      out << ", \"rate\": " << f.amount / time << ", \"share\": " << median(f.shares);
    out << ", \"samples\": " << list(f.samples) << "}";
  }
  out << "\n ]\n}\n";
  out.close();
  if (!out) raise(ErrorKind::Argument, join("cannot write ", options_.json));
}

// ---- work ---------------------------------------------------------------------------------------

namespace {

/// Calls of an op, which hold what it reads.
std::function<void()> calls(OpRef op, std::vector<Array> inputs) {
  struct Given {
    AnyOp op;
    std::vector<Array> arrays;
    std::vector<const Array*> inputs;
  };
  const auto given = std::make_shared<Given>(Given{AnyOp(op), std::move(inputs), {}});
  for (const Array& a : given->arrays) given->inputs.push_back(a ? &a : nullptr);
  return [given] { dispatch(given->op.ref(), given->inputs); };
}

}  // namespace

Work moving(OpRef op, std::vector<Array> inputs, double bytes) {
  std::vector<const Array*> given;
  for (const Array& a : inputs) given.push_back(a ? &a : nullptr);
  Outputs outputs = dispatch(op, given);
  double read = 0, changed = 0, made = 0;
  const int n = int(inputs.size());
  for (int i = 0; i < n; ++i)
    if (inputs[size_t(i)]) {
      const auto size = double(inputs[size_t(i)].bytes());
      read += size;
      if (op.info->mutates != nullptr && op.info->mutates(op.op, i, n)) changed += size;
    }
  for (int i = 0; i < outputs.size(); ++i) made += double(outputs[i].bytes());
  const double memory = bytes == 0 ? read + made : bytes;  // that is touched, some of it twice
  if (bytes == 0) bytes = read + changed + made;
  auto yardstick = changed + made < read / 8 ? read_rate(memory) : copy_rate(memory);
  return {calls(op, std::move(inputs)), bytes, "B", std::move(yardstick)};
}

Work computing(OpRef op, std::vector<Array> inputs, double operations) {
  const double lanes = inputs[0].dtype() == DType::Float64 ? 0.5 : 1.0;
  return {calls(op, std::move(inputs)), operations, "FLOP", [lanes] { return lanes * fma_rate(); }};
}

std::string by(const Shape& shape) {
  std::string text;
  for (const int64_t n : shape) text += join(text.empty() ? "" : " x ", n);
  return text;
}

std::vector<Array> numbers_of_step(const Signature& signature) {
  std::vector<Array> found;
  for (int i = 0; i + 1 < signature.size(); ++i) {
    const double value = signature.input(i) == "learning_rate" ? 0 : 1;
    found.push_back(run(Full{{}, value, DType::Float32}, {}));
  }
  return found;
}

Array filled(const Shape& shape, DType dtype) {
  const Array array = Array::empty({shape, DType::Float32});
  auto* x = static_cast<float*>(array.data());
  for (int64_t i = 0; i < array.size(); ++i) x[i] = float(i * 7919 % 1021) / 1021.0F - 0.5F;
  return dtype == DType::Float32 ? array : run(Cast{dtype}, {array});
}

Array numbers(const Shape& shape, int64_t end, DType dtype) {
  const Array array = Array::empty({shape, DType::Int64});
  auto* x = static_cast<int64_t*>(array.data());
  uint64_t state = 1;
  for (int64_t i = 0; i < array.size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX
    x[i] = int64_t((state >> 33) % uint64_t(end));
  }
  return run(Cast{dtype}, {array});
}

Array state(const Shape& shape) {
  const Array variable = filled(shape);
  variable.storage()->mark_state();
  return variable;
}

}  // namespace pyneuro::bench

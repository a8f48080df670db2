// Convolutions through dispatch, forward and both gradients: GFLOP/s of what the definition
// multiplies and adds, and the share of what the machine can do. An algorithm that multiplies less
// than the definition, as Winograd's, may exceed it. PYNEURO_CONV_ALGO forces one for all rows that
// it applies to.
#include "measure.h"

namespace pyneuro::bench {
namespace {

struct Layer {
  const char* kind;
  int64_t batch, size, channels, filters, window, stride, pad, dilation, groups;
};

constexpr Layer kLayers[] = {
    // Of VGG16: its first layer, then wide and narrow images; of a small network.
    {"3x3", 4, 224, 3, 64, 3, 1, 1, 1, 1},
    {"3x3", 4, 112, 64, 128, 3, 1, 1, 1, 1},
    {"3x3", 4, 56, 256, 256, 3, 1, 1, 1, 1},
    {"3x3", 4, 28, 512, 512, 3, 1, 1, 1, 1},
    {"3x3", 4, 14, 512, 512, 3, 1, 1, 1, 1},
    {"3x3", 128, 14, 32, 64, 3, 1, 1, 1, 1},
    // Of ResNet50: bottlenecks, the stem, what halves the image.
    {"1x1", 4, 56, 64, 256, 1, 1, 0, 1, 1},
    {"1x1", 4, 56, 256, 64, 1, 1, 0, 1, 1},
    {"1x1", 4, 7, 2048, 512, 1, 1, 0, 1, 1},
    {"1x1, strides 2", 4, 56, 256, 512, 1, 2, 0, 1, 1},
    {"3x3, strides 2", 4, 56, 128, 256, 3, 2, 1, 1, 1},
    {"7x7, strides 2", 4, 224, 3, 64, 7, 2, 3, 1, 1},
    {"3x3, dilation 2", 4, 28, 256, 256, 3, 1, 2, 2, 1},
    {"3x3, groups 32", 4, 28, 256, 256, 3, 1, 1, 1, 32},
    // Of MobileNet.
    {"depthwise 3x3", 8, 112, 64, 64, 3, 1, 1, 1, 64},
    {"depthwise 3x3", 8, 28, 256, 256, 3, 1, 1, 1, 256},
    {"depthwise 3x3", 8, 14, 512, 512, 3, 1, 1, 1, 512},
    {"depthwise 3x3, strides 2", 8, 56, 128, 128, 3, 2, 1, 1, 128},
};

/// At the size of this run.
Layer sized(const Bench& bench, Layer layer) {
  const bool depthwise = layer.groups == layer.channels;
  layer.size = bench.sized(layer.size);
  layer.channels = bench.sized(layer.channels), layer.filters = bench.sized(layer.filters);
  if (layer.groups > 1) layer.groups = depthwise ? layer.channels : bench.sized(layer.groups);
  return layer;
}

template <class Op> Op op_of(const Layer& l) {
  Op op{};
  op.strides = {l.stride, l.stride};
  op.dilations = {l.dilation, l.dilation};
  op.padding = {l.pad, l.pad, l.pad, l.pad};
  op.groups = l.groups;
  if constexpr (requires { op.size; }) op.size = {l.size, l.size};
  return op;
}

template <class Op> void step(Bench& bench, const Layer& l) {
  const std::string name =
      title<Op>(l.kind, ", ", l.channels, "->", l.filters, " at ", l.size, ", batch ", l.batch);
  bench.row(name, [&] {
    const int64_t out = (l.size + 2 * l.pad - l.dilation * (l.window - 1) - 1) / l.stride + 1;
    const int64_t depth = l.channels / l.groups;
    const Array x = filled({l.batch, l.size, l.size, l.channels});
    const Array kernel = filled({l.window, l.window, depth, l.filters});
    const Array y = filled({l.batch, out, out, l.filters});
    const double operations = 2.0 * double(y.size()) * double(l.window * l.window * depth);
    auto op = op_of<Op>(l);
    if constexpr (std::is_same_v<Op, ConvKernelGrad>) op.size = {l.window, l.window};
    const bool forward = std::is_same_v<Op, Conv>, to_input = std::is_same_v<Op, ConvInputGrad>;
    return computing(op, {to_input ? y : x, forward || to_input ? kernel : y}, operations);
  });
}

}  // namespace

void conv_rows(Bench& bench) {
  for (const Layer& layer : kLayers) {
    const Layer l = sized(bench, layer);
    step<Conv>(bench, l);
    step<ConvInputGrad>(bench, l);
    step<ConvKernelGrad>(bench, l);
  }
}

}  // namespace pyneuro::bench

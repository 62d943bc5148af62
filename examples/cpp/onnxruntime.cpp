// Segment frames with ONNX Runtime: segment_onnxruntime NAME.onnx FRAME.ppm CLASSES.pgm [FRAME.ppm CLASSES.pgm ...]
#include "frame.hpp"

#include <chrono>
#include <iostream>
#include <onnxruntime_cxx_api.h>

using namespace streetseg;
using Clock = std::chrono::steady_clock;

static double milliseconds(Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

static int run(int count, char** words) {
    if (count < 4 || count % 2) fail(std::string("usage: ") + words[0] + " NAME.onnx FRAME.ppm CLASSES.pgm [...]");
    std::ifstream file(words[1], std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    if (content.empty()) fail(std::string(words[1]) + " cannot be read");
    Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "streetseg");
    Ort::Session session(env, content.data(), content.size(), Ort::SessionOptions());
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("streetseg.card", allocator);
    if (!text) fail("the model has no card: make one with streetseg export");
    const Card card(text.get());
    if (session.GetInputCount() != 1 || session.GetOutputCount() != 1) fail("the model disagrees with its card");
    const auto type_of = [](const Ort::TypeInfo& info) { return info.GetTensorTypeAndShapeInfo().GetElementType(); };
    if (type_of(session.GetInputTypeInfo(0)) != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ||
        type_of(session.GetOutputTypeInfo(0)) != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
        fail("this example takes artefacts with uint8 frames and float32 logits");
    const auto input_name = session.GetInputNameAllocated(0, allocator);
    const auto output_name = session.GetOutputNameAllocated(0, allocator);
    const char *inputs[] = {input_name.get()}, *outputs[] = {output_name.get()};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);

    for (int i = 2; i < count; i += 2) {
        const Image frame = read_ppm(words[i]);
        const auto start = Clock::now();
        Prepared prepared = prepare(frame, card);
        std::vector<std::uint8_t>& pixels = prepared.input.pixels;
        const std::array<std::int64_t, 4> shape{1, prepared.input.height, prepared.input.width, 3};
        const Ort::Value tensor =
            Ort::Value::CreateTensor<std::uint8_t>(memory, pixels.data(), pixels.size(), shape.data(), shape.size());
        const auto ran = Clock::now();
        const auto values = session.Run(Ort::RunOptions(), inputs, &tensor, 1, outputs, 1);
        const double network = milliseconds(ran);
        const auto out = values[0].GetTensorTypeAndShapeInfo().GetShape();  // 1 x h x w x C
        if (out.size() != 4 || out[3] != std::int64_t(card.classes.size())) fail("the model disagrees with its card");
        const Image classmap = class_map(values[0].GetTensorData<float>(), int(out[1]), int(out[2]), int(out[3]), frame,
                                         prepared, card.align_corners);
        const double whole = milliseconds(start);
        write_pgm(words[i + 1], classmap);
        std::cout << line(words[i], classmap, card, network, whole) << '\n';
    }
    return 0;
}

int main(int count, char** words) try {
    return run(count, words);
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
}

// Segment frames with OpenVINO: segment_openvino NAME.onnx FRAME.ppm CLASSES.pgm [FRAME.ppm CLASSES.pgm ...]
#include "frame.hpp"

#include <chrono>
#include <iostream>
#include <openvino/openvino.hpp>

using namespace streetseg;
using Clock = std::chrono::steady_clock;

static double milliseconds(Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

// OpenVINO keeps an ONNX file's metadata in the model's rt_info, below "framework".
static std::string card_of(const ov::Model& model) {
    if (!model.has_rt_info("framework", "streetseg.card")) fail("the model has no card: make one with streetseg export");
    return model.get_rt_info<std::string>("framework", "streetseg.card");
}

static int run(int count, char** words) {
    if (count < 4 || count % 2) fail(std::string("usage: ") + words[0] + " NAME.onnx FRAME.ppm CLASSES.pgm [...]");
    ov::Core core;
    const std::shared_ptr<ov::Model> model = core.read_model(words[1]);
    const Card card(card_of(*model));
    if (model->inputs().size() != 1 || model->input().get_element_type() != ov::element::u8 ||
        model->outputs().size() != 1 || model->output().get_element_type() != ov::element::f32)
        fail("this example takes artefacts with uint8 frames and float32 logits");

    ov::InferRequest request;
    int height = 0, width = 0;
    for (int i = 2; i < count; i += 2) {
        const Image frame = read_ppm(words[i]);
        Prepared prepared = prepare(frame, card);
        if (prepared.input.height != height || prepared.input.width != width) {  // compiled for one size: faster
            height = prepared.input.height, width = prepared.input.width;
            model->reshape(ov::PartialShape{1, height, width, 3});
            // float32 is exact; leave the precision out for the fastest that the device has.
            request = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                                         ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY))
                          .create_infer_request();
        }
        const auto start = Clock::now();
        prepared = prepare(frame, card);  // again, to be timed without the compilation
        const ov::Shape shape{1, std::size_t(height), std::size_t(width), 3};
        request.set_input_tensor(ov::Tensor(ov::element::u8, shape, prepared.input.pixels.data()));
        const auto ran = Clock::now();
        request.infer();
        const double network = milliseconds(ran);
        const ov::Tensor logits = request.get_output_tensor();  // 1 x h x w x C
        const ov::Shape out = logits.get_shape();
        if (out.size() != 4 || out[3] != card.classes.size()) fail("the model disagrees with its card");
        const Image classmap = class_map(logits.data<float>(), int(out[1]), int(out[2]), int(out[3]), frame, prepared,
                                         card.align_corners);
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

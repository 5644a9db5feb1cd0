// customize MODEL.gguf POOL EXAMPLES.jsonl OUT.gguf
//
// Makes a task from a few examples and answers the first of them with it, as an app would that has
// Crayon inside.
#include <crayon/base/error.h>
#include <crayon/base/files.h>
#include <crayon/engine/engine.h>
#include <crayon/formats/examples.h>
#include <crayon/session/answer.h>
#include <crayon/session/customize.h>
#include <crayon/session/tasks.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: customize MODEL.gguf POOL EXAMPLES.jsonl OUT.gguf\n");
    return 2;
  }
  try {
    const auto model = crayon::open_model(argv[1], {});
    crayon::Pool pool = crayon::Pool::open(argv[2]);
    const auto examples = crayon::read_examples(argv[3]);
    const auto engine = model->open_engine({});

    const auto made = crayon::customize(pool, *model, *engine, examples, {.name = "mine"});
    crayon::write_atomically(argv[4], made.file);
    std::printf("kept %s; weights", made.kept.c_str());
    for (const float w : made.weights) std::printf(" %.3f", w);
    std::printf("\n");

    crayon::Answerer answerer(*model, *engine, crayon::open_task(argv[4]));
    const crayon::Answer answer = answerer.answer(examples.front());
    std::printf("%s (confidence %.2f)\n", answer.text.c_str(), answer.confidence);
  } catch (const crayon::Error& error) {
    std::fprintf(stderr, "customize: %s\n", error.what());
    return crayon::info(error.code()).exit_status;
  }
}

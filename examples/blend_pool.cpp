// blend_pool POOL OUT.gguf
//
// Blends all adapters of a pool with equal weights into one LoRA file that llama.cpp loads. Needs
// no model.
#include <crayon/base/error.h>
#include <crayon/base/files.h>
#include <crayon/formats/adapter_file.h>
#include <crayon/pool/pool.h>

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: blend_pool POOL OUT.gguf\n");
    return 2;
  }
  try {
    crayon::Pool pool = crayon::Pool::open(argv[1]);
    const std::vector<float> weights(pool.size(), 1.0f / static_cast<float>(pool.size()));
    const crayon::Blend blend =
        pool.blend(weights, {.mode = crayon::BlendMode::LowRank, .rank = 8});

    crayon::AdapterFileOptions options;
    options.architecture = pool.manifest().base.architecture;
    options.name = "even";
    crayon::write_atomically(argv[2], crayon::adapter_to_gguf(blend.adapter, options));
    std::printf("%zu adapters, rank %zu, relative error %.3f\n", pool.size(),
                crayon::max_rank(blend.adapter), blend.relative_error);
  } catch (const crayon::Error& error) {
    std::fprintf(stderr, "blend_pool: %s\n", error.what());
    return crayon::info(error.code()).exit_status;
  }
}

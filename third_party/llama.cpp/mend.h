/* Included before every file of llama.cpp that script/setup builds: mends two faults. */

/* 1. The AMX intrinsics of GCC (seen in 12.2) do not tell the compiler which memory they read and
 * write, so that it drops the set-up of the tiles and stores into them as dead: ggml's matrix products
 * then end with an illegal instruction or read what was never stored. These do the same and say so. */
#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#undef _tile_loadconfig
#define _tile_loadconfig(config) \
  __asm__ volatile("ldtilecfg\t%0" : : "m"(*(const char(*)[64])(config)) : "memory")

/* Two steps, so that a macro given as the tile is expanded before it becomes a register's name. */
#undef _tile_loadd
#define _tile_loadd(tile, base, stride) crayon_tile_loadd(tile, base, stride)
#define crayon_tile_loadd(tile, base, stride)                                                \
  __asm__ volatile("{tileloadd\t(%0,%1,1), %%tmm" #tile "|tileloadd\t%%tmm" #tile ", [%0+%1*1]}" \
                   :                                                                         \
                   : "r"((const void*)(base)), "r"((long)(stride))                           \
                   : "memory")

#undef _tile_stored
#define _tile_stored(tile, base, stride) crayon_tile_stored(tile, base, stride)
#define crayon_tile_stored(tile, base, stride)                                                   \
  __asm__ volatile("{tilestored\t%%tmm" #tile ", (%0,%1,1)|tilestored\t[%0+%1*1], %%tmm" #tile "}" \
                   :                                                                             \
                   : "r"((void*)(base)), "r"((long)(stride))                                     \
                   : "memory")
#endif

/* 2. Threads of ggml wait for one another in a loop without end (llama.cpp's issue 2134, pull request
 * 29258). Where another program wants the core of a thread that is waited for, all others burn their
 * time slice at every operator: two customisations side by side on two cores took 556 s each, one alone
 * 7.5 s. So a waiting thread gives its core away after every 256 pauses (some 10 microseconds; where
 * nothing else wants the core, that costs one short system call). ggml defines ggml_thread_cpu_relax(void)
 * once and calls ggml_thread_cpu_relax(): the macro tells the two apart by what stands in the brackets. */
#if !defined(__cplusplus) && !defined(_WIN32)
#include <sched.h>
static _Thread_local unsigned crayon_pauses;
#define ggml_thread_cpu_relax(nothing) CRAYON_RELAX_##nothing
#define CRAYON_RELAX_void crayon_relax(void)
#define CRAYON_RELAX_ (++crayon_pauses % 256 ? crayon_relax() : (void)sched_yield())
#endif

/* The inner loops of classmap.py and overlay.py, compiled; binding.py loads and calls them.
 *
 * They do the same operations as the numpy and Pillow forms, so the results are the same to the bit on every machine.
 * -ffp-contract=off keeps the compiler from fusing a product and a sum.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Compile several forms of each function into one binary; the loader chooses the fastest for the processor. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define FAST __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define FAST
#endif
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8, MAX_CLASSES = 255, MAX_THREADS = 64 };
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

/* Call work(job, from, to) for one band of 0..n in each thread. */
typedef struct {
    void (*work)(void *job, int64_t from, int64_t to);
    void *job;
    int64_t from, to;
} band;

static void *run_band(void *argument)
{
    band *b = argument;
    b->work(b->job, b->from, b->to);
    return NULL;
}

static void in_bands(void (*work)(void *, int64_t, int64_t), void *job, int64_t n, int64_t threads)
{
    band bands[MAX_THREADS];
    pthread_t thread[MAX_THREADS];
    int started[MAX_THREADS] = {0};
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    for (int64_t t = threads - 1; t >= 0; t--) { /* the first band is done here, while the others run */
        bands[t] = (band){work, job, n * t / threads, n * (t + 1) / threads};
        started[t] = t > 0 && pthread_create(&thread[t], NULL, run_band, &bands[t]) == 0;
        if (!started[t])
            run_band(&bands[t]);
    }
    for (int64_t t = 1; t < threads; t++)
        if (started[t])
            pthread_join(thread[t], NULL);
}

/* Return the lowest index among the largest of n values. */
INLINE uint8_t argmax(const float *values, int64_t n)
{
    /* As integers that sort like the floats, which lets the compiler use vectors: it may not reorder comparisons of
     * floats. Adding zero makes -0 equal to 0. */
    int32_t keys[MAX_CLASSES], largest = INT32_MIN;
    for (int64_t c = 0; c < n; c++) {
        float value = values[c] + 0.0f;
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        keys[c] = bits ^ ((bits >> 31) & INT32_MAX);
        largest = keys[c] > largest ? keys[c] : largest;
    }
    int32_t first = MAX_CLASSES;
    for (int64_t c = 0; c < n; c++) {
        int32_t here = keys[c] == largest ? (int32_t)c : MAX_CLASSES;
        first = here < first ? here : first;
    }
    return (uint8_t)first;
}

/* Cells along one axis, as in classmap.Cells; weights are readable LANES - 1 beyond their end. */
typedef struct {
    int64_t logits;
    const int64_t *first, *count;
    const float *weight;
} cells;

/* Interpolate the classes of the pixels of one mixed cell. corner: top left, top right, bottom left, bottom right. */
INLINE void mixed_cell(
    const float *const corner[4], int64_t classes, const float *row_weight, int64_t rows,
    const float *column_weight, int64_t columns, uint8_t *out, int64_t stride)
{
    float left[MAX_CLASSES], slope[MAX_CLASSES];
    for (int64_t y = 0; y < rows; y++, out += stride) {
        for (int64_t c = 0; c < classes; c++) {
            float right = corner[1][c] + (corner[3][c] - corner[1][c]) * row_weight[y];
            left[c] = corner[0][c] + (corner[2][c] - corner[0][c]) * row_weight[y];
            slope[c] = right - left[c];
        }
        for (int64_t x = 0; x < columns; x += LANES) {
            floats weight, best = (floats){0} - __builtin_inff();
            ints class = {0};
            memcpy(&weight, column_weight + x, sizeof weight);
            for (int64_t c = 0; c < classes; c++) {
                floats value = slope[c] * weight + left[c];
                ints wins = value > best;
                class = (class & ~wins) | (((ints){0} + (int32_t)c) & wins);
                best = (floats)(((ints)best & ~wins) | ((ints)value & wins));
            }
            bytes narrow = __builtin_convertvector(class, bytes);
            memcpy(out + x, &narrow, columns - x < LANES ? columns - x : LANES);
        }
    }
}

typedef struct {
    const float *logits;
    int64_t classes;
    const cells *rows, *columns;
    uint8_t *out;
    int64_t stride;
    int failed; /* out of memory */
} class_map_job;

/* Fill the class map in the rows of cells from `from` to `to`. */
FAST static void class_map_band(void *argument, int64_t from, int64_t to)
{
    class_map_job *job = argument;
    const float *logits = job->logits;
    const cells *rows = job->rows, *columns = job->columns;
    int64_t classes = job->classes, stride = job->stride, w = columns->logits;
    uint8_t *above = malloc(2 * w), *below = above + w;
    if (!above) {
        job->failed = 1;
        return;
    }
    int64_t known = -1; /* the row of logits whose classes `below` holds */
    for (int64_t i = from; i < to; i++) {
        int64_t top = i > 0 ? i - 1 : 0, bottom = i < rows->logits ? i : rows->logits - 1;
        if (rows->count[i] == 0)
            continue;
        if (known == top)
            memcpy(above, below, w);
        else
            for (int64_t j = 0; j < w; j++)
                above[j] = argmax(logits + (top * w + j) * classes, classes);
        for (int64_t j = 0; j < w; j++)
            below[j] = bottom == top ? above[j] : argmax(logits + (bottom * w + j) * classes, classes);
        known = bottom;

        uint8_t *pixels = job->out + rows->first[i] * stride;
        for (int64_t j = 0; j <= w; j++)
            memset(pixels + columns->first[j], above[j > 0 ? j - 1 : 0], columns->count[j]);
        for (int64_t y = 1; y < rows->count[i]; y++)
            memcpy(pixels + y * stride, pixels, columns->first[w] + columns->count[w]);
        for (int64_t j = 0; j <= w; j++) {
            int64_t left = j > 0 ? j - 1 : 0, right = j < w ? j : w - 1;
            uint8_t class = above[left];
            if (columns->count[j] == 0 || (class == above[right] && class == below[left] && class == below[right]))
                continue;
            const float *const corner[4] = {
                logits + (top * w + left) * classes, logits + (top * w + right) * classes,
                logits + (bottom * w + left) * classes, logits + (bottom * w + right) * classes};
            mixed_cell(
                corner, classes, rows->weight + rows->first[i], rows->count[i],
                columns->weight + columns->first[j], columns->count[j], pixels + columns->first[j], stride);
        }
    }
    free(above);
}

/* See classmap.class_map. The rows of `out` are `stride` bytes apart. Returns 0, or 1 if out of memory. */
int streetseg_class_map(
    const float *logits, int64_t classes, const cells *rows, const cells *columns, uint8_t *out, int64_t stride,
    int64_t threads)
{
    class_map_job job = {logits, classes, rows, columns, out, stride, 0};
    in_bands(class_map_band, &job, rows->logits + 1, threads);
    return job.failed;
}

typedef struct {
    const uint8_t *frame, *classmap;
    int64_t height, width;
    uint8_t *out;
    /* By border (0 or 1) and class: what a pixel's channels are multiplied with, and what is then added. A fourth
     * channel makes an entry one load and one store; the store runs into the next pixel, which overwrites it. */
    uint8_t factor[2][4];
    uint16_t colour[2][256][4];
    int failed; /* out of memory */
} paint_job;

/* Paint the rows of the picture from `from` to `to`. */
FAST static void paint_band(void *argument, int64_t from, int64_t to)
{
    paint_job *job = argument;
    int64_t width = job->width;
    uint16_t *colour = malloc((3 * width + 1) * sizeof *colour + (3 * width + 1) + width);
    if (!colour) {
        job->failed = 1;
        return;
    }
    uint8_t *factor = (uint8_t *)(colour + 3 * width + 1), *border = factor + 3 * width + 1;
    for (int64_t y = from; y < to; y++) {
        const uint8_t *here = job->classmap + y * width, *below = y + 1 < job->height ? here + width : here;
        for (int64_t x = 0; x + 1 < width; x++)
            border[x] = (here[x] != here[x + 1]) | (here[x] != below[x]);
        border[width - 1] = here[width - 1] != below[width - 1];
        for (int64_t x = 0; x < width; x++) {
            memcpy(colour + 3 * x, job->colour[border[x]][here[x]], 4 * sizeof *colour);
            memcpy(factor + 3 * x, job->factor[border[x]], 4);
        }
        const uint8_t *restrict pixel = job->frame + y * width * 3;
        uint8_t *restrict painted = job->out + y * width * 3;
        for (int64_t i = 0; i < 3 * width; i++) {
            uint16_t sum = (uint16_t)(pixel[i] * factor[i] + colour[i]);
            painted[i] = (uint8_t)((uint16_t)(sum + (sum >> 8)) >> 8); /* divided by 255 */
        }
    }
    free(colour);
}

/* overlay.overlay without the legend. colours: 256 x 3. opacity: inside a class, on a border; of 255. Returns 0, or 1
 * if out of memory. */
int streetseg_paint(
    const uint8_t *frame, const uint8_t *classmap, int64_t height, int64_t width, const uint8_t *colours,
    const uint8_t *opacity, uint8_t *out, int64_t threads)
{
    paint_job job = {.frame = frame, .classmap = classmap, .height = height, .width = width, .out = out};
    for (int border = 0; border < 2; border++) {
        memset(job.factor[border], 255 - opacity[border], 4);
        for (int i = 0; i < 256 * 3; i++) /* plus half of 255, which rounds */
            job.colour[border][i / 3][i % 3] = (uint16_t)(colours[i] * opacity[border] + 128);
    }
    in_bands(paint_band, &job, height, threads);
    return job.failed;
}

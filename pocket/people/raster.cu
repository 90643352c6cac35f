// One thread a triangle and image; see raster.py for the arguments. The word is depth bits << 32 | triangle.
__device__ float hash(int i, int j, int k) {
    unsigned n = (unsigned)i * 73856093u ^ (unsigned)j * 19349663u ^ (unsigned)k * 83492791u;
    n = (n ^ (n >> 13)) * 1274126177u;
    n ^= n >> 16;
    return (float)(n & 0xFFFFu) / 65535.0f;
}

__device__ float value_noise(float x, float y, float z) {
    int i = (int)floorf(x), j = (int)floorf(y), k = (int)floorf(z);
    float fx = x - i, fy = y - j, fz = z - k;
    fx = fx * fx * (3 - 2 * fx);
    fy = fy * fy * (3 - 2 * fy);
    fz = fz * fz * (3 - 2 * fz);
    float out = 0;
    for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 2; ++b)
            for (int c = 0; c < 2; ++c)
                out += (a ? fx : 1 - fx) * (b ? fy : 1 - fy) * (c ? fz : 1 - fz) * hash(i + a, j + b, k + c);
    return out;
}

extern "C" __global__ void raster(const float *points, const float *keep, const float *noise, const int *tris,
                                  unsigned long long *word, int vertices, int count, int height, int width,
                                  int perspective) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= count) return;
    long long image = blockIdx.y;
    const float *p = points + image * vertices * 3, *kp = keep + image * vertices;
    unsigned long long *out = word + image * height * width;
    int a = tris[3 * t], b = tris[3 * t + 1], c = tris[3 * t + 2];
    float ka = kp[a], kb = kp[b], kc = kp[c];
    float amplitude = noise[5 * a + 4];
    if (fmaxf(ka, fmaxf(kb, kc)) + 0.5f * fmaxf(amplitude, 0.0f) < 0) return;
    float za = p[3 * a + 2], zb = p[3 * b + 2], zc = p[3 * c + 2];
    if (perspective && fminf(za, fminf(zb, zc)) < 0.05f) return;
    float x0 = p[3 * a], y0 = p[3 * a + 1], x1 = p[3 * b], y1 = p[3 * b + 1], x2 = p[3 * c], y2 = p[3 * c + 1];
    int left = max(0, (int)ceilf(fminf(x0, fminf(x1, x2)) - 0.5f));
    int right = min(width - 1, (int)floorf(fmaxf(x0, fmaxf(x1, x2)) - 0.5f));
    int top = max(0, (int)ceilf(fminf(y0, fminf(y1, y2)) - 0.5f));
    int bottom = min(height - 1, (int)floorf(fmaxf(y0, fmaxf(y1, y2)) - 0.5f));
    float area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
    if (fabsf(area) < 1e-9f) return;
    float inverse = 1.0f / area;
    float wa = perspective ? 1 / za : 1, wb = perspective ? 1 / zb : 1, wc = perspective ? 1 / zc : 1;
    for (int j = top; j <= bottom; ++j)
        for (int i = left; i <= right; ++i) {
            float px = i + 0.5f, py = j + 0.5f;
            float l1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse;
            float l2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse;
            float l0 = 1.0f - l1 - l2;
            if (l0 < 0 || l1 < 0 || l2 < 0) continue;
            float q0 = l0 * wa, q1 = l1 * wb, q2 = l2 * wc, s = 1 / (q0 + q1 + q2);
            q0 *= s;
            q1 *= s;
            q2 *= s;
            float z = perspective ? s : l0 * za + l1 * zb + l2 * zc;
            unsigned long long value = ((unsigned long long)__float_as_uint(z) << 32) | (unsigned)t;
            unsigned long long *cell = out + (long long)j * width + i;
            if (value >= *(volatile unsigned long long *)cell) continue;
            float k = q0 * ka + q1 * kb + q2 * kc;
            if (amplitude > 0) {
                float e = q0 * noise[5 * a + 3] + q1 * noise[5 * b + 3] + q2 * noise[5 * c + 3];
                float n = value_noise(q0 * noise[5 * a] + q1 * noise[5 * b] + q2 * noise[5 * c],
                                      q0 * noise[5 * a + 1] + q1 * noise[5 * b + 1] + q2 * noise[5 * c + 1],
                                      q0 * noise[5 * a + 2] + q1 * noise[5 * b + 2] + q2 * noise[5 * c + 2]);
                k += amplitude * (n - 0.5f) - 0.6f * e * e * e * e;
            }
            if (amplitude < 0) {
                float e = q0 * noise[5 * a + 3] + q1 * noise[5 * b + 3] + q2 * noise[5 * c + 3];
                k = k * (1 - 0.85f * e * e) - (perspective ? hash(i, j, (int)noise[5 * a]) : 0.5f);
            }
            if (k < 0) continue;
            atomicMin(cell, value);
        }
}
